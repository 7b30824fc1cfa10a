// SPDX-License-Identifier: Apache-2.0
// Labels and annotations on the objects of backups, and the names of Jobs and scheduled backups.
import type { EtcdBackup } from '../api/backup.ts';
import type { EtcdCluster } from '../api/cluster.ts';
import { GROUP, LABELS } from '../api/names.ts';

export const BACKUP_ANNOTATIONS = {
  /** On Jobs and pods: the EtcdBackup they work for. */
  backup: `${GROUP}/backup`,
  /** On Jobs: the UID of the cluster they work for. */
  clusterUid: `${GROUP}/cluster-uid`,
  /** On pods: the configuration of the Job, mounted as a file. */
  job: `${GROUP}/backup-job`,
  /** On Jobs: the hash of the template that was asked for. */
  template: `${GROUP}/template`,
  /** On EtcdBackups that a schedule made: the time it was due, RFC 3339. */
  scheduledAt: `${GROUP}/scheduled-at`,
} as const;

export const backupLabels = (cluster: string): Record<string, string> => ({
  [LABELS.cluster]: cluster,
  'app.kubernetes.io/name': 'etcd',
  'app.kubernetes.io/managed-by': 'quorate',
  'app.kubernetes.io/component': 'backup',
});

/** The selector of everything above. */
export const BACKUP_SELECTOR = `${LABELS.cluster},app.kubernetes.io/managed-by=quorate,app.kubernetes.io/component=backup`;

/** Whether a backup is of this very cluster and not of an earlier one of the same name; until it has a Job, either will do. */
export const isOf = (cluster: EtcdCluster, { spec, status }: EtcdBackup): boolean =>
  spec.clusterName === cluster.metadata.name &&
  (status?.clusterUID === undefined || status.clusterUID === cluster.metadata.uid);

/** Room that Job names leave in a label of 63 characters for `-<8 digits of the UID>-<attempt>`. */
const MAX_STEM = 48;

/** Jobs of one backup, those that were replaced before they began included; status lists the numbers of these. */
export const MAX_JOBS = 99;

/** Carries the UID, so that a re-created EtcdBackup of the same name never meets the Jobs of its predecessor. */
export function jobName(backup: { readonly name: string; readonly uid: string }, attempt: number): string {
  const stem = backup.name.slice(0, MAX_STEM).replaceAll('.', '-').replace(/-+$/, '');
  return `${stem}-${backup.uid.slice(0, 8)}-${attempt}`;
}

/** 0 for a name that is none of ours. */
export function attemptOf(job: string): number {
  return Number(/-(\d+)$/.exec(job)?.[1] ?? 0);
}

/** `orders-hourly-202611230700`, in UTC: the same run always has the same name, so that it cannot be made twice. */
export function scheduledName(cluster: string, schedule: string, due: Date): string {
  return `${cluster}-${schedule}-${due.toISOString().slice(0, 16).replace(/[-T:]/g, '')}`;
}
