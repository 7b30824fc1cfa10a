// SPDX-License-Identifier: Apache-2.0
// Renders the claims and the StatefulSet of a cluster.
import type { EtcdCluster } from '../../api/cluster.ts';
import { ANNOTATIONS, CLIENT_PORT, childNames, claimName, METRICS_PORT, PEER_PORT } from '../../api/names.ts';
import { etcdImage } from '../../api/versions.ts';
import {
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  type StatefulSet,
  statefulSets,
} from '../../runtime/resources.ts';
import { encodeOptions } from '../formation.ts';
import type { Identity } from '../identity.ts';
import { type Child, childLabels, memberLabels, ownedMetadata } from './children.ts';
import { CONF_DIR, DATA_MOUNT, PEER_DIR } from './memberfile.ts';

/** The user and group of every pod that we make: numeric, because Pod Security cannot judge names. */
const RUN_AS = 65_532;
/** Keys are for the member alone: its user reads them as a member of `fsGroup`. */
const KEY_MODE = 0o440;

function claimSpec(storage: Identity['formation']['storage']) {
  return {
    accessModes: [storage.accessMode],
    storageClassName: storage.storageClassName,
    resources: { requests: { storage: storage.size } },
  };
}

/** Closed whole: every further key of a security context gives a right, or another user. */
const SECURITY = ['', '.containers[0]'].map((at) => `spec.template.spec${at}.securityContext.**`);

/** A key more, such as a `subPath` or another `host` to probe, and a member starts without its data or is ended in vain. */
const MOUNTED = ['spec.template.spec.volumes.**', 'spec.template.spec.containers[0].volumeMounts.**'];
const PROBED = ['startup', 'liveness', 'readiness'].map((p) => `spec.template.spec.containers[0].${p}Probe.httpGet`);

/** Claims are made before their pods, so that identity and size are decided first; they have no owner and stay. */
export function renderClaims(cluster: EtcdCluster, identity: Identity): Child<PersistentVolumeClaim>[] {
  return identity.members.map((member, ordinal) => ({
    resource: persistentVolumeClaims,
    closed: [],
    owned: false,
    desired: {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name: claimName(cluster.metadata.name, ordinal),
        namespace: cluster.metadata.namespace as string,
        labels: childLabels(cluster, 'member'),
        annotations: {
          [ANNOTATIONS.genesis]: identity.genesis,
          [ANNOTATIONS.incarnation]: member.incarnation,
          [ANNOTATIONS.version]: identity.formation.version,
          [ANNOTATIONS.formation]: encodeOptions(identity.formation),
          // Put on before the record says so; from then on put back like everything else.
          ...(identity.phase === 'Formed' ? { [ANNOTATIONS.formed]: 'true' } : {}),
          [ANNOTATIONS.replicas]: String(identity.members.length),
          [ANNOTATIONS.incarnations]: identity.members.map((m) => m.incarnation).join(','),
        },
      },
      spec: claimSpec(identity.formation.storage),
    },
  }));
}

const probe = (path: string, options: { period: number; failures: number; timeout: number }) => ({
  httpGet: { path, port: METRICS_PORT, scheme: 'HTTP' },
  periodSeconds: options.period,
  failureThreshold: options.failures,
  timeoutSeconds: options.timeout,
});

function container(identity: Identity) {
  const { image, version, pods } = identity.formation;
  return {
    name: 'etcd',
    image: etcdImage(image, version),
    imagePullPolicy: image.pullPolicy,
    command: ['etcd', `--config-file=${CONF_DIR}/$(POD_NAME).yaml`],
    // Nothing beside the file: wanted empty, so that what somebody adds is taken away again.
    args: [],
    envFrom: [],
    lifecycle: {},
    env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    ports: [
      { name: 'client', containerPort: CLIENT_PORT, protocol: 'TCP' },
      { name: 'peer', containerPort: PEER_PORT, protocol: 'TCP' },
      { name: 'metrics', containerPort: METRICS_PORT, protocol: 'TCP' },
    ],
    resources: pods.resources,
    // An hour to replay a large log or to receive a snapshot; liveness starts only after that.
    startupProbe: probe('/livez', { period: 1, failures: 3600, timeout: 5 }),
    livenessProbe: probe('/livez', { period: 10, failures: 6, timeout: 10 }),
    // Serves its own data: neither a lost quorum nor another member's CORRUPT alarm takes it out of the Service.
    readinessProbe: probe('/readyz?exclude=linearizable_read&exclude=data_corruption', {
      period: 5,
      failures: 3,
      timeout: 5,
    }),
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'data', mountPath: DATA_MOUNT },
      { name: 'conf', mountPath: CONF_DIR, readOnly: true },
      { name: 'peer', mountPath: PEER_DIR, readOnly: true },
    ],
    // The last lines of the log are the reason shown when a member cannot start.
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
}

/** Spread is preferred, not required: seven members must fit on three nodes. */
function placement(cluster: EtcdCluster, identity: Identity) {
  const selector = { matchLabels: memberLabels(cluster) };
  const { pods } = identity.formation;
  const spread = {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 100, podAffinityTerm: { labelSelector: selector, topologyKey: 'kubernetes.io/hostname' } },
      ],
    },
  };
  return {
    affinity: { ...spread, ...pods.affinity },
    // Without a selector Kubernetes counts no pod, and the constraint would have no effect.
    topologySpreadConstraints: pods.topologySpreadConstraints?.map((c) => ({ labelSelector: selector, ...c })) ?? [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: selector,
      },
    ],
    nodeSelector: pods.nodeSelector,
    tolerations: pods.tolerations,
    priorityClassName: pods.priorityClassName,
  };
}

function podTemplate(cluster: EtcdCluster, identity: Identity) {
  const names = childNames(cluster.metadata.name);
  const { image, pods } = identity.formation;
  return {
    metadata: {
      labels: { ...pods.labels, ...childLabels(cluster, 'member') },
      annotations: { ...pods.annotations, [ANNOTATIONS.genesis]: identity.genesis },
    },
    spec: {
      containers: [container(identity)],
      initContainers: [],
      volumes: [
        { name: 'conf', secret: { secretName: names.serverTls, defaultMode: KEY_MODE } },
        { name: 'peer', secret: { secretName: names.peerTls, defaultMode: KEY_MODE } },
      ],
      ...placement(cluster, identity),
      imagePullSecrets: image.pullSecrets,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      shareProcessNamespace: false,
      // Members find each other by the names of the cluster's DNS. Policies that set options such as ndots may.
      dnsPolicy: 'ClusterFirst',
      dnsConfig: { nameservers: [], searches: [] },
      hostAliases: [],
      securityContext: {
        runAsUser: RUN_AS,
        runAsGroup: RUN_AS,
        fsGroup: RUN_AS,
        fsGroupChangePolicy: 'OnRootMismatch',
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      terminationGracePeriodSeconds: 30,
    },
  };
}

export function renderStatefulSet(cluster: EtcdCluster, identity: Identity): Child<StatefulSet> {
  const names = childNames(cluster.metadata.name);
  return {
    resource: statefulSets,
    closed: ['spec.template.spec.nodeSelector', 'spec.template.metadata.labels', ...SECURITY, ...MOUNTED, ...PROBED],
    owned: true,
    desired: {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: ownedMetadata(cluster, names.statefulSet),
      spec: {
        replicas: identity.members.length,
        ordinals: { start: 0 },
        serviceName: names.headlessService,
        podManagementPolicy: 'Parallel',
        updateStrategy: { type: 'OnDelete' },
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        selector: { matchLabels: memberLabels(cluster) },
        template: podTemplate(cluster, identity),
        volumeClaimTemplates: [
          {
            metadata: { name: 'data', labels: childLabels(cluster, 'member') },
            spec: claimSpec(identity.formation.storage),
          },
        ],
      },
    },
  };
}
