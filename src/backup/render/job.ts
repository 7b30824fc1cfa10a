// SPDX-License-Identifier: Apache-2.0
// Renders the Job of one attempt at a backup: one restricted pod without any right in the Kubernetes API.
import { createHash } from 'node:crypto';
import type { EtcdBackup } from '../../api/backup.ts';
import type { EffectiveCluster, EtcdCluster } from '../../api/cluster.ts';
import { API_VERSION, childNames, memberHost } from '../../api/names.ts';
import type { BackupPolicy } from '../../api/policy.ts';
import type { Job } from '../../runtime/resources.ts';
import { CA_DIR, CREDENTIALS_DIR, JOB_DIR, JOB_FILE, type JobConfig, TLS_DIR } from '../jobconfig.ts';
import { BACKUP_ANNOTATIONS, backupLabels, jobName } from '../marks.ts';

/** As every pod that we make: numeric, because Pod Security cannot judge names. */
const RUN_AS = 65_532;
/** Ends a Job that hangs in spite of all its own deadlines. */
export const DEADLINE_SECONDS = 12 * 3600;
/** To abort an upload and remove what was stored when the pod is told to stop. */
const GRACE_SECONDS = 60;

/**
 * The image's own start command and allocator save memory for a process that mostly waits. A Job computes, and soon ends:
 * with them it would take a quarter longer, and 40 MB more of garbage that nobody has collected yet.
 */
export const JOB_COMMAND = ['node', '--expose-gc', '--max-semi-space-size=2', '/app/quorate.mjs'];
export const JOB_ENV = { LD_PRELOAD: '', MALLOC_ARENA_MAX: '2' };

export interface JobSettings {
  /** The operator's own image. */
  readonly image: string;
  /** Addresses that stores may have in spite of the guard, and more that they may not. */
  readonly egress: JobConfig['egress'];
}

export interface JobInput {
  readonly backup: EtcdBackup;
  readonly cluster: EtcdCluster;
  readonly spec: EffectiveCluster;
  readonly policy: BackupPolicy;
  readonly attempt: number;
  readonly settings: JobSettings;
}

/** Members as they are; before the first status, as the spec wants them. */
function memberNames(cluster: EtcdCluster, spec: EffectiveCluster): string[] {
  const seen = (cluster.status?.members ?? []).map((m) => m.name);
  if (seen.length > 0) return seen;
  return Array.from({ length: spec.replicas }, (_, i) => `${cluster.metadata.name}-${i}`);
}

function renderJobConfig({ backup, cluster, spec, policy, attempt, settings }: JobInput): JobConfig {
  const namespace = backup.metadata.namespace as string;
  const { s3 } = policy.store;
  return {
    version: 1,
    backup: {
      namespace,
      name: backup.metadata.name,
      uid: backup.metadata.uid as string,
      created: backup.metadata.creationTimestamp as string,
    },
    cluster: { name: cluster.metadata.name, uid: cluster.metadata.uid as string },
    attempt,
    members: memberNames(cluster, spec).map((name) => {
      const host = memberHost(name, namespace);
      return { name, host, serverName: host };
    }),
    tlsDir: TLS_DIR,
    store: {
      s3: {
        bucket: s3.bucket,
        prefix: s3.prefix,
        region: s3.region,
        forcePathStyle: s3.forcePathStyle,
        ...(s3.endpoint === undefined ? {} : { endpoint: s3.endpoint }),
        credentialsDir: CREDENTIALS_DIR,
        ...(s3.caSecret === undefined ? {} : { caFile: `${CA_DIR}/ca.crt` }),
      },
    },
    egress: settings.egress,
  };
}

const file = (key: string, optional = false) => ({ key, path: key, ...(optional ? { optional } : {}) });

const secret = (name: string, secretName: string, items: { key: string; path: string }[]) => ({
  name,
  secret: { secretName, items, defaultMode: 0o440 },
});

function volumes({ cluster, policy }: JobInput) {
  const { s3 } = policy.store;
  // Of the user's Secrets only the known keys are mounted; everything else in them is none of our business.
  const credentials = [file('accessKeyId'), file('secretAccessKey')];
  return [
    {
      name: 'job',
      downwardAPI: {
        defaultMode: 0o440,
        items: [{ path: JOB_FILE, fieldRef: { fieldPath: `metadata.annotations['${BACKUP_ANNOTATIONS.job}']` } }],
      },
    },
    secret('tls', childNames(cluster.metadata.name).backupTls, [file('ca.crt'), file('tls.crt'), file('tls.key')]),
    {
      name: 'store',
      projected: {
        defaultMode: 0o440,
        sources: [
          { secret: { name: s3.credentialsSecret.name, items: credentials } },
          { secret: { name: s3.credentialsSecret.name, items: [file('sessionToken')], optional: true } },
        ],
      },
    },
    ...(s3.caSecret === undefined ? [] : [secret('store-ca', s3.caSecret.name, [file('ca.crt')])]),
  ];
}

const mount = (name: string, mountPath: string) => ({ name, mountPath, readOnly: true });

function podSpec(input: JobInput) {
  const { spec, settings, policy } = input;
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: GRACE_SECONDS,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: RUN_AS,
      runAsGroup: RUN_AS,
      fsGroup: RUN_AS,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // Where the members may run, their backup may.
    ...(spec.pods.nodeSelector === undefined ? {} : { nodeSelector: spec.pods.nodeSelector }),
    ...(spec.pods.tolerations === undefined ? {} : { tolerations: spec.pods.tolerations }),
    ...(spec.image.pullSecrets === undefined ? {} : { imagePullSecrets: spec.image.pullSecrets }),
    containers: [
      {
        name: 'backup',
        image: settings.image,
        imagePullPolicy: 'IfNotPresent',
        command: [...JOB_COMMAND],
        args: ['backup'],
        env: Object.entries(JOB_ENV).map(([name, value]) => ({ name, value })),
        resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          privileged: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          capabilities: { drop: ['ALL'] },
        },
        terminationMessagePolicy: 'File',
        volumeMounts: [
          mount('job', JOB_DIR),
          mount('tls', TLS_DIR),
          mount('store', CREDENTIALS_DIR),
          ...(policy.store.s3.caSecret === undefined ? [] : [mount('store-ca', CA_DIR)]),
        ],
      },
    ],
    volumes: volumes(input),
  };
}

const annotationsOf = ({ backup, cluster }: Omit<JobInput, 'attempt'>) => ({
  [BACKUP_ANNOTATIONS.backup]: backup.metadata.name,
  [BACKUP_ANNOTATIONS.clusterUid]: cluster.metadata.uid as string,
});

function template(input: JobInput) {
  const job = JSON.stringify(renderJobConfig(input));
  return {
    metadata: {
      labels: backupLabels(input.cluster.metadata.name),
      annotations: { ...annotationsOf(input), [BACKUP_ANNOTATIONS.job]: job },
    },
    spec: podSpec(input),
  };
}

/** Tells whether the pod of a Job would be another one by now. The Job carries it, because others may edit what we ask for. */
export const templateHash = (input: Omit<JobInput, 'attempt'>): string =>
  createHash('sha256')
    .update(JSON.stringify(template({ ...input, attempt: 1 })))
    .digest('hex')
    .slice(0, 16);

export function renderJob(input: JobInput): Job {
  const { backup, cluster, attempt } = input;
  const { name, uid } = backup.metadata;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName({ name, uid: uid as string }, attempt),
      namespace: backup.metadata.namespace,
      labels: backupLabels(cluster.metadata.name),
      annotations: { ...annotationsOf(input), [BACKUP_ANNOTATIONS.template]: templateHash(input) },
      ownerReferences: [
        {
          apiVersion: API_VERSION,
          kind: 'EtcdBackup',
          name,
          uid: uid as string,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      // One try per Job: the operator decides about the next one, and gives it a number.
      backoffLimit: 0,
      completions: 1,
      parallelism: 1,
      activeDeadlineSeconds: DEADLINE_SECONDS,
      template: template(input),
    },
  };
}
