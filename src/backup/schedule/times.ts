// SPDX-License-Identifier: Apache-2.0
// When a schedule is due: cron times in a time zone, across changes of the clock. Pure.
import { Cron } from 'croner';
import type { BackupPolicy } from '../../api/policy.ts';

export type Schedule = BackupPolicy['schedules'][number];

/** Lists and ranges of hours and minutes are times of the day like single numbers; only `*` and steps are intervals. */
const CRON = { mode: '5-part', paused: true, fixedTimeRule: 'no-wildcard' } as const;
/** A run that was missed by more than this is not made up for: the next one comes. */
const START_DEADLINE_MS = 3_600_000;

export interface ScheduleInput {
  readonly now: Date;
  /** The next run, as status promised it before `now`; absent for a schedule that is new, or was suspended. */
  readonly promised: Date | undefined;
  /** Time of the latest run that was made or given up; what is not later is over. */
  readonly handled: Date | undefined;
}

export interface ScheduleState {
  /** To be made now. */
  readonly due?: Date;
  /** To be given up, because nobody was there to make it in time. */
  readonly missed?: Date;
  /** While a run is due, or to be given up: since when one has been. Absent while suspended. */
  readonly next?: Date;
  /** The expression or the time zone is none, or no such time will come. */
  readonly problem?: string;
}

/**
 * A run is due if its time has been promised: so a new schedule, an edited one and one that was suspended never fire
 * for times before they were in force. Of several missed runs only the latest is due. Five fields, minutes at most. A
 * local time that a change of the clock skips runs right after it, one that occurs twice runs once; with `*` or a step
 * in hours or minutes, whenever the clock shows it.
 */
export function scheduleState(schedule: Schedule, o: ScheduleInput): ScheduleState {
  if (schedule.suspend === true) return {};
  const cron = parse(schedule, o.now);
  if (typeof cron === 'string') return { problem: cron };
  const upcoming = { next: cron.next };
  if (o.promised === undefined || o.promised > o.now) return upcoming;
  const latest = latestRun(cron.cron, o.now);
  if (latest === undefined || latest < o.promised || (o.handled !== undefined && latest <= o.handled)) return upcoming;
  // The promise stands until the run is made or given up: whoever looks next, also after a restart, finds it again.
  const late = o.now.getTime() - latest.getTime() > START_DEADLINE_MS;
  return { ...(late ? { missed: latest } : { due: latest }), next: o.promised };
}

/** The first run after a time; `undefined` for a schedule that cannot be read. */
export function nextAfter(schedule: Schedule, at: Date): Date | undefined {
  const cron = parse(schedule, at);
  return typeof cron === 'string' ? undefined : cron.next;
}

function parse(schedule: Schedule, now: Date): { cron: Cron; next: Date } | string {
  const invalid = (why: string): string => `the schedule ${schedule.name} is not valid: ${why}`;
  // The library reads it as the moment of parsing, which would differ from one look to the next.
  if (schedule.schedule.includes('?')) return invalid('? has no meaning here');
  try {
    const cron = new Cron(schedule.schedule, { ...CRON, timezone: schedule.timeZone ?? 'UTC' });
    // A time zone is only looked up when it is used.
    const next = cron.nextRun(now);
    return next === null ? invalid(`${schedule.schedule} never comes`) : { cron, next };
  } catch (e) {
    return invalid(e instanceof Error ? e.message.slice(0, 160) : 'unreadable');
  }
}

/** The latest run that is not after `now`. */
function latestRun(cron: Cron, now: Date): Date | undefined {
  // A run at this very second counts: runs are asked for before the reference.
  const [latest] = cron.previousRuns(1, new Date(now.getTime() + 1000));
  if (latest !== undefined && latest <= now) return latest;
  return cron.previousRuns(1, now)[0];
}
