// SPDX-License-Identifier: Apache-2.0
// Joins the schedules of a cluster with what has become of their runs. Pure.
import type { EtcdBackup } from '../../api/backup.ts';
import type { EtcdCluster } from '../../api/cluster.ts';
import type { BackupPolicy } from '../../api/policy.ts';
import { seconds } from '../../runtime/time.ts';
import { BACKUP_ANNOTATIONS } from '../marks.ts';
import { isFinished } from '../plan.ts';
import type { LeftOut, ScheduleMemory } from './memory.ts';
import { nextAfter, type Schedule, type ScheduleState, scheduleState } from './times.ts';

export interface ScheduleView {
  readonly schedule: Schedule;
  readonly state: ScheduleState;
  /** Time of the latest run that was made, whatever became of it. */
  readonly last: Date | undefined;
  /** A run of this very schedule that is not finished. */
  readonly running: string | undefined;
  /** That this run is still there at the time of the next one, in words. */
  readonly outlived: string | undefined;
  /** The latest run, if it was left out. */
  readonly leftOut: LeftOut | undefined;
}

/** Clocks that were wrong leave times in the future behind: they mean nothing. */
const past = (text: string | undefined, now: Date): Date | undefined => {
  const at = new Date(text ?? Number.NaN);
  return at <= now ? at : undefined;
};

const latest = (dates: readonly (Date | undefined)[]): Date | undefined =>
  dates.reduce((max, d) => (d !== undefined && (max === undefined || d > max) ? d : max), undefined);

function outlived(schedule: Schedule, run: EtcdBackup, now: Date): string | undefined {
  const { name, annotations, creationTimestamp } = run.metadata;
  const began = past(annotations?.[BACKUP_ANNOTATIONS.scheduledAt], now) ?? past(creationTimestamp, now);
  const next = began === undefined ? undefined : nextAfter(schedule, began);
  if (next === undefined || next > now) return undefined;
  return `${name} of the schedule ${schedule.name} is not finished, though the next run was due at ${seconds(next)}; look at its conditions and at its Job`;
}

/** `backups` are those of this very cluster. */
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
    const running = runs.find((b) => !isFinished(b.status));
    return {
      schedule,
      state,
      last,
      running: running?.metadata.name,
      outlived: running === undefined ? undefined : outlived(schedule, running, now),
      leftOut: memory.leftOut(uid, schedule.name),
    };
  });
}
