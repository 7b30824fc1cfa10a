// SPDX-License-Identifier: Apache-2.0
// Joins the schedules of a cluster with what has become of their runs. Pure.
import type { EtcdBackup } from '../../api/backup.ts';
import type { EtcdCluster } from '../../api/cluster.ts';
import type { BackupPolicy } from '../../api/policy.ts';
import { BACKUP_ANNOTATIONS } from '../marks.ts';
import { isFinished } from '../plan.ts';
import type { ScheduleMemory } from './memory.ts';
import { type Schedule, type ScheduleState, scheduleState } from './times.ts';

export interface ScheduleView {
  readonly schedule: Schedule;
  readonly state: ScheduleState;
  /** Time of the latest run that was made, whatever became of it. */
  readonly last: Date | undefined;
  /** A run of this very schedule that is not finished. */
  readonly running: string | undefined;
}

/** Clocks that were wrong leave times in the future behind: they mean nothing. */
const past = (text: string | undefined, now: Date): Date | undefined => {
  const at = new Date(text ?? Number.NaN);
  return at <= now ? at : undefined;
};

const latest = (dates: readonly (Date | undefined)[]): Date | undefined =>
  dates.reduce((max, d) => (d !== undefined && (max === undefined || d > max) ? d : max), undefined);

/** `backups` are those of this cluster's name. */
export function viewSchedules(
  cluster: EtcdCluster,
  policy: BackupPolicy,
  backups: readonly EtcdBackup[],
  memory: ScheduleMemory,
  now: Date,
): ScheduleView[] {
  const uid = cluster.metadata.uid as string;
  return policy.schedules.map((schedule) => {
    const recorded = cluster.status?.backup?.schedules?.find((s) => s.name === schedule.name);
    const runs = backups.filter((b) => b.spec.schedule === schedule.name);
    const made = runs.map((b) => past(b.metadata.annotations?.[BACKUP_ANNOTATIONS.scheduledAt], now));
    const last = latest([...made, past(recorded?.lastScheduleTime, now)]);
    const handled = latest([last, past(memory.get(uid, schedule.name)?.toISOString(), now)]);
    const promised = recorded?.nextScheduleTime === undefined ? undefined : new Date(recorded.nextScheduleTime);
    const state = scheduleState(schedule, { now, promised, handled });
    return { schedule, state, last, running: runs.find((b) => !isFinished(b.status))?.metadata.name };
  });
}
