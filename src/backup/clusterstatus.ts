// SPDX-License-Identifier: Apache-2.0
// What backups have to say in the status of their cluster. Pure; the cluster's own controller writes it.
import type { EtcdBackup } from '../api/backup.ts';
import type { EtcdCluster, EtcdClusterStatus } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import type { Condition } from '../runtime/conditions.ts';
import { seconds } from '../runtime/time.ts';
import type { ScheduleMemory } from './schedule/memory.ts';
import { type ScheduleView, viewSchedules } from './schedule/view.ts';

export interface ClusterBackupStatus {
  readonly status: NonNullable<EtcdClusterStatus['backup']>;
  /** Of the condition `BackupHealthy`. */
  readonly healthy: { readonly status: Condition['status']; readonly reason: string; readonly message: string };
}

/** A run that is due is made at once: when it is not for so long, something keeps it from being made. */
const UNMADE_MS = 300_000;

const ready = (b: EtcdBackup): Condition | undefined => b.status?.conditions?.find((c) => c.type === 'Ready');
const madeAt = (b: EtcdBackup): string => b.metadata.creationTimestamp ?? '';
const doneAt = (b: EtcdBackup): string => b.status?.completionTime ?? '';
const stalled = (b: EtcdBackup): boolean => b.status?.conditions?.some((c) => c.type === 'Stalled') === true;

/** `undefined` for a cluster without a backup policy. `backups` are those of this very cluster. */
export function clusterBackupStatus(
  cluster: EtcdCluster,
  backups: readonly EtcdBackup[],
  memory: ScheduleMemory,
  now: Date,
): ClusterBackupStatus | undefined {
  const spec = effectiveSpec(cluster);
  if (!spec.ok || spec.spec.backup === undefined) return undefined;
  const views = viewSchedules(cluster, spec.spec.backup, backups, memory, now);
  // By the clock of the API server, which is one for all of them. One runs at a time, in this order.
  const finished = backups
    .filter((b) => b.status?.completionTime !== undefined)
    .toSorted((a, b) => madeAt(a).localeCompare(madeAt(b)) || a.metadata.name.localeCompare(b.metadata.name));
  return {
    status: status(cluster, finished, views, now),
    healthy: healthy(cluster, { backups, last: finished.at(-1), views, now }),
  };
}

function status(
  cluster: EtcdCluster,
  finished: readonly EtcdBackup[],
  views: readonly ScheduleView[],
  now: Date,
): ClusterBackupStatus['status'] {
  const previous = cluster.status?.backup;
  const success = finished.findLast((b) => ready(b)?.status === 'True');
  const at = success?.status?.completionTime;
  // The objects may be cleared away; that a backup succeeded stays true, unless a wrong clock said so.
  const before = previous?.lastSuccessTime ?? '';
  const newer = at !== undefined && (at >= before || before > seconds(now));
  const lastSuccessTime = newer ? at : previous?.lastSuccessTime;
  const lastSuccessfulBackup = newer ? success?.metadata.name : previous?.lastSuccessfulBackup;
  return {
    ...(lastSuccessfulBackup === undefined ? {} : { lastSuccessfulBackup }),
    ...(lastSuccessTime === undefined ? {} : { lastSuccessTime }),
    ...(views.length === 0 ? {} : { schedules: views.map(scheduleRecord) }),
  };
}

function scheduleRecord({ schedule, last, state }: ScheduleView) {
  return {
    name: schedule.name,
    ...(last === undefined ? {} : { lastScheduleTime: seconds(last) }),
    ...(state.next === undefined ? {} : { nextScheduleTime: seconds(state.next) }),
  };
}

interface Seen {
  readonly backups: readonly EtcdBackup[];
  /** The newest that is finished. */
  readonly last: EtcdBackup | undefined;
  readonly views: readonly ScheduleView[];
  readonly now: Date;
}

/**
 * Why no backup is made although one is due. A run that was left out is remembered in memory only: the condition that
 * told of it stands, also after a restart, until a backup has finished since.
 */
function overdue(cluster: EtcdCluster, { last, views, now }: Seen): string | undefined {
  const active = views.filter((v) => v.schedule.suspend !== true);
  const unmade = active.map((v) => unmadeSince(v, now)).find((why) => why !== undefined);
  if (unmade !== undefined) return unmade;
  const outlived = active.find((v) => v.outlived !== undefined)?.outlived;
  if (outlived !== undefined) return outlived;
  const since = last === undefined ? '' : doneAt(last);
  const left = active.find((v) => v.leftOut !== undefined && seconds(v.leftOut.run) > since)?.leftOut;
  if (left !== undefined) return left.why;
  const told = cluster.status?.conditions?.find((c) => c.type === 'BackupHealthy' && c.reason === 'BackupOverdue');
  return told !== undefined && active.length > 0 && told.lastTransitionTime > since ? told.message : undefined;
}

function unmadeSince({ schedule, state }: ScheduleView, now: Date): string | undefined {
  if (state.due === undefined || state.next === undefined) return undefined;
  if (now.getTime() - state.next.getTime() < UNMADE_MS) return undefined;
  return `the run of ${schedule.name} has been due since ${seconds(state.next)} and cannot be made; the Events of the cluster say why`;
}

function healthy(cluster: EtcdCluster, seen: Seen): ClusterBackupStatus['healthy'] {
  const { backups, last, views } = seen;
  const problem = views.find((v) => v.state.problem !== undefined)?.state.problem;
  if (problem !== undefined) return { status: 'False', reason: 'InvalidSchedule', message: problem };
  const waiting = backups.find((b) => b.status?.completionTime === undefined && stalled(b));
  const late = waiting === undefined ? overdue(cluster, seen) : undefined;
  if (late !== undefined) return { status: 'False', reason: 'BackupOverdue', message: late };
  const bad = waiting ?? (last !== undefined && ready(last)?.status !== 'True' ? last : undefined);
  if (bad !== undefined) {
    const { reason = 'Unexpected', message = '' } = ready(bad) ?? {};
    return { status: 'False', reason, message: `${bad.metadata.name}: ${message}` };
  }
  if (last === undefined) return { status: 'Unknown', reason: 'NoBackupYet', message: 'no backup has been made yet' };
  return {
    status: 'True',
    reason: 'LastBackupSucceeded',
    message: `${last.metadata.name}: ${ready(last)?.message ?? ''}`,
  };
}
