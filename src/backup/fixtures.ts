// SPDX-License-Identifier: Apache-2.0
// Objects for the tables of this folder's tests.
import type { EtcdBackup } from '../api/backup.ts';
import type { EtcdCluster, EtcdClusterSpec } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import { conditionsProblem, mergeConditions } from '../runtime/conditions.ts';
import type { Job, Pod } from '../runtime/resources.ts';
import { BACKUP_ANNOTATIONS } from './marks.ts';
import type { ObservedBackup } from './observed.ts';
import { type BackupPlan, planBackup } from './plan.ts';
import { type JobSettings, templateHash } from './render/job.ts';
import type { JobSuccess } from './result.ts';
import { backupStatus } from './status.ts';

export const NOW = new Date('2026-11-23T07:00:30Z');
const CLUSTER_UID = '6b1f2c34-0d5e-4a6b-9c7d-8e9f0a1b2c3d';
const BACKUP_UID = '0f9e8d7c-1111-4222-8333-444455556666';
const JOB_UID = '11111111-1111-4222-8333-444455556666';

const SETTINGS: JobSettings = { image: 'quorate:1', egress: { allow: [], refuse: ['10.96.0.1'] } };

type Backup = NonNullable<EtcdClusterSpec['backup']>;

export function cluster(o: { backup?: Backup; available?: 'True' | 'False'; status?: object } = {}): EtcdCluster {
  const policy: Backup = o.backup ?? { store: { s3: { bucket: 'backups', credentialsSecret: { name: 's3' } } } };
  const available = {
    type: 'Available',
    status: o.available ?? 'True',
    reason: 'X',
    message: 'm',
    observedGeneration: 1,
  };
  return {
    metadata: { name: 'orders', namespace: 'shop', uid: CLUSTER_UID, generation: 1 },
    spec: { version: '3.6.16', storage: { size: '1Gi' }, backup: policy },
    status: { observedGeneration: 1, conditions: mergeConditions([], [available], NOW), ...o.status },
  };
}

export function backup(o: { name?: string; status?: object; spec?: object; metadata?: object } = {}): EtcdBackup {
  return {
    metadata: {
      name: o.name ?? 'orders-now',
      namespace: 'shop',
      uid: BACKUP_UID,
      generation: 1,
      creationTimestamp: '2026-11-23T07:00:00Z',
      ...o.metadata,
    },
    spec: { clusterName: 'orders', ...o.spec },
    ...(o.status === undefined ? {} : { status: o.status as NonNullable<EtcdBackup['status']> }),
  };
}

/** A finished backup that a schedule made. */
export function scheduled(name: string, at: string, ready: 'True' | 'False'): EtcdBackup {
  const condition = {
    type: 'Ready',
    status: ready,
    reason: ready === 'True' ? 'Completed' : 'BucketNotFound',
    message: 'm',
  };
  return backup({
    name,
    metadata: { uid: name, creationTimestamp: at, annotations: { [BACKUP_ANNOTATIONS.scheduledAt]: at } },
    spec: { schedule: 'hourly' },
    status: { observedGeneration: 1, conditions: [condition], completionTime: at },
  });
}

export function job(
  attempt: number,
  o: {
    end?: 'Complete' | 'Failed' | 'FailureTarget';
    reason?: string;
    at?: string;
    created?: string;
    /** Hash of what was asked for; without it, as it would be asked for now. */
    template?: string;
  } = {},
): Job {
  const end = {
    type: o.end ?? '',
    status: 'True',
    reason: o.reason ?? '',
    lastTransitionTime: o.at ?? '2026-11-23T07:00:00Z',
  };
  return {
    metadata: {
      name: `orders-now-0f9e8d7c-${attempt}`,
      namespace: 'shop',
      uid: JOB_UID,
      creationTimestamp: o.created ?? '2026-11-23T07:00:01Z',
      annotations: {
        [BACKUP_ANNOTATIONS.clusterUid]: CLUSTER_UID,
        [BACKUP_ANNOTATIONS.template]: o.template ?? hashNow(),
      },
    },
    status: { conditions: o.end === undefined ? [] : [end] },
  };
}

function hashNow(): string {
  const { backup: b, cluster: c, spec, settings } = observed();
  if (c === undefined || spec?.backup === undefined || settings === undefined) throw new Error('no Job would be made');
  return templateHash({ backup: b, cluster: c, spec, policy: spec.backup, settings });
}

export function pod(
  o: {
    phase?: string;
    created?: string;
    /** When its grace period ends. */
    deleted?: string;
    terminated?: object;
    waiting?: object;
    reason?: string;
    conditions?: object[];
  } = {},
): Pod {
  const state = {
    ...(o.terminated === undefined ? {} : { terminated: o.terminated }),
    ...(o.waiting === undefined ? {} : { waiting: o.waiting }),
  };
  return {
    metadata: {
      name: 'p',
      namespace: 'shop',
      creationTimestamp: o.created ?? '2026-11-23T07:00:20Z',
      ...(o.deleted === undefined ? {} : { deletionTimestamp: o.deleted }),
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: JOB_UID, controller: true }],
    },
    status: {
      phase: o.phase ?? 'Pending',
      ...(o.reason === undefined ? {} : { reason: o.reason }),
      conditions: o.conditions ?? [],
      containerStatuses: [{ name: 'backup', state }],
    },
  } as Pod;
}

export const success: JobSuccess = {
  ok: true,
  key: 'shop/orders/x.db.zst',
  manifestKey: 'shop/orders/x.manifest.json',
  location: 's3://backups',
  size: 3 * 2 ** 20,
  compressedSize: 2 ** 20,
  sha256: 'ab'.repeat(32),
  snapshotSha256: 'cd'.repeat(32),
  revision: '42',
  member: 'orders-1',
  etcdVersion: '3.6.16',
  clusterId: 'deadbeef',
  startTime: '2026-11-23T07:00:02Z',
  completionTime: '2026-11-23T07:00:09Z',
};

export function observed(o: Partial<ObservedBackup> = {}): ObservedBackup {
  const c = 'cluster' in o ? o.cluster : cluster();
  const spec = c === undefined ? undefined : effectiveSpec(c);
  return {
    now: NOW,
    backup: backup(),
    cluster: c,
    clusterIsLive: false,
    spec: spec?.ok === true ? spec.spec : undefined,
    jobs: [],
    pods: [],
    podsAreLive: false,
    refused: undefined,
    siblings: [],
    settings: SETTINGS,
    secrets: { credentials: undefined, tls: true },
    ...o,
  };
}

/** A sentence, what is observed, and what is decided then. */
export type Row = readonly [string, Partial<ObservedBackup>, Partial<Record<keyof BackupPlan, object>>];

/** What is decided; without `cluster` in what is observed, about a cluster as it should be. `problem`: of its conditions. */
export function decided(o: Partial<ObservedBackup>) {
  const { step, verdict } = planBackup({ ...observed(o.cluster === undefined ? {} : { cluster: o.cluster }), ...o });
  const status = verdict === undefined ? undefined : backupStatus(backup(), verdict, undefined, NOW);
  return { step, verdict, problem: status === undefined ? undefined : conditionsProblem({ ...backup(), status }) };
}

/** Of `decided`; a row that names no step expects none. */
export const expected = (plan: Row[2]): object => ({ step: undefined, ...plan, problem: undefined });
