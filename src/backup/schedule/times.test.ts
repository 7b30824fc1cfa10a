// SPDX-License-Identifier: Apache-2.0
// Tests of when schedules are due: time zones, changes of the clock, suspension, missed runs, wrong clocks.
import { describe, expect, it } from 'vitest';
import { cluster, scheduled } from '../fixtures.ts';
import { scheduledName } from '../marks.ts';
import { ScheduleMemory } from './memory.ts';
import { type Schedule, scheduleState } from './times.ts';
import { viewSchedules } from './view.ts';

const at = (text: string): Date => new Date(text);
const hourly: Schedule = { name: 'hourly', schedule: '0 * * * *' };
const berlin = (schedule: string): Schedule => ({ name: 'n', schedule, timeZone: 'Europe/Berlin' });

describe('a schedule', () => {
  it.each<[string, Schedule, { now: string; promised?: string; handled?: string }, object]>([
    ['that is new only looks ahead', hourly, { now: '2026-11-23T10:20:00Z' }, { next: at('2026-11-23T11:00:00Z') }],
    [
      'is due at the promised time',
      hourly,
      { now: '2026-11-23T11:00:00.020Z', promised: '2026-11-23T11:00:00Z' },
      { due: at('2026-11-23T11:00:00Z'), next: at('2026-11-23T11:00:00Z') },
    ],
    [
      'is due at that very moment',
      hourly,
      { now: '2026-11-23T11:00:00Z', promised: '2026-11-23T11:00:00Z' },
      { due: at('2026-11-23T11:00:00Z'), next: at('2026-11-23T11:00:00Z') },
    ],
    [
      'makes up for no run that is still to come',
      { ...hourly, schedule: '*/10 * * * *' },
      { now: '2026-11-23T11:39:59.990Z', promised: '2026-11-23T11:30:00Z' },
      { due: at('2026-11-23T11:30:00Z'), next: at('2026-11-23T11:30:00Z') },
    ],
    [
      'is not due before it',
      hourly,
      { now: '2026-11-23T10:59:59.990Z', promised: '2026-11-23T11:00:00Z' },
      { next: at('2026-11-23T11:00:00Z') },
    ],
    [
      'is due once',
      hourly,
      { now: '2026-11-23T11:00:05Z', promised: '2026-11-23T11:00:00Z', handled: '2026-11-23T11:00:00Z' },
      { next: at('2026-11-23T12:00:00Z') },
    ],
    [
      'makes up for the latest missed run only',
      { ...hourly, schedule: '*/10 * * * *' },
      { now: '2026-11-23T11:45:00Z', promised: '2026-11-23T11:00:00Z' },
      { due: at('2026-11-23T11:40:00Z'), next: at('2026-11-23T11:00:00Z') },
    ],
    [
      'gives up a run that is more than an hour late',
      { ...hourly, schedule: '0 2 * * *' },
      { now: '2026-11-23T03:00:01Z', promised: '2026-11-23T02:00:00Z' },
      { missed: at('2026-11-23T02:00:00Z'), next: at('2026-11-23T02:00:00Z') },
    ],
    [
      'looks ahead once that run was given up',
      { ...hourly, schedule: '0 2 * * *' },
      { now: '2026-11-23T03:00:01Z', promised: '2026-11-23T02:00:00Z', handled: '2026-11-23T02:00:00Z' },
      { next: at('2026-11-24T02:00:00Z') },
    ],
    [
      'makes up for a run that is less late',
      { ...hourly, schedule: '0 2 * * *' },
      { now: '2026-11-23T03:00:00Z', promised: '2026-11-23T02:00:00Z' },
      { due: at('2026-11-23T02:00:00Z') },
    ],
    [
      'that is suspended does nothing',
      { ...hourly, suspend: true },
      { now: '2026-11-23T11:00:00Z', promised: '2026-11-23T11:00:00Z' },
      {},
    ],
    [
      'that was edited does not fire for a time before the edit',
      { ...hourly, schedule: '*/5 * * * *' },
      { now: '2026-11-23T10:21:00Z', promised: '2026-11-23T11:00:00Z' },
      { next: at('2026-11-23T10:25:00Z') },
    ],
    [
      'recovers from a clock that ran ahead',
      hourly,
      { now: '2026-11-23T10:20:00Z', promised: '2027-11-23T11:00:00Z' },
      { next: at('2026-11-23T11:00:00Z') },
    ],
    [
      'fires once after a jump of three days',
      { ...hourly, schedule: '*/30 * * * *' },
      { now: '2026-11-26T10:20:00Z', promised: '2026-11-23T11:00:00Z' },
      { due: at('2026-11-26T10:00:00Z') },
    ],
    [
      'follows its time zone',
      berlin('0 3 * * *'),
      { now: '2026-11-23T10:00:00Z' },
      { next: at('2026-11-24T02:00:00Z') },
    ],
    [
      'follows its time zone in summer',
      berlin('0 3 * * *'),
      { now: '2026-07-01T10:00:00Z' },
      { next: at('2026-07-02T01:00:00Z') },
    ],
    [
      'at a time that the clock skips runs right after it',
      berlin('30 2 * * *'),
      { now: '2026-03-28T12:00:00Z' },
      { next: at('2026-03-29T01:00:00Z') },
    ],
    [
      'at a time that occurs twice runs at the first',
      berlin('30 2 * * *'),
      { now: '2026-10-24T12:00:00Z' },
      { next: at('2026-10-25T00:30:00Z') },
    ],
    [
      'at a time that occurs twice does not run at the second',
      berlin('30 2 * * *'),
      { now: '2026-10-25T00:31:00Z' },
      { next: at('2026-10-26T01:30:00Z') },
    ],
    [
      'with a list of hours runs right after the gap',
      berlin('0 2,14 * * *'),
      { now: '2026-03-28T14:00:00Z' },
      { next: at('2026-03-29T01:00:00Z') },
    ],
    [
      'with a list of hours is due right after the gap',
      berlin('0 2,14 * * *'),
      { now: '2026-03-29T01:00:01Z', promised: '2026-03-29T01:00:00Z', handled: '2026-03-28T13:00:00Z' },
      { due: at('2026-03-29T01:00:00Z') },
    ],
    [
      'with a list of hours runs at the first of two equal times',
      berlin('0 2,14 * * *'),
      { now: '2026-10-24T14:00:00Z' },
      { next: at('2026-10-25T00:00:00Z') },
    ],
    [
      'with a list of hours is not due at the second of two equal times',
      berlin('0 2,14 * * *'),
      { now: '2026-10-25T01:00:01Z', promised: '2026-10-25T00:00:00Z', handled: '2026-10-25T00:00:00Z' },
      { next: at('2026-10-25T13:00:00Z') },
    ],
    [
      'with a range of hours runs at each of them once',
      berlin('0 1-4 * * *'),
      { now: '2026-10-25T00:00:01Z', promised: '2026-10-25T00:00:00Z', handled: '2026-10-25T00:00:00Z' },
      { next: at('2026-10-25T02:00:00Z') },
    ],
    [
      'with a list of minutes runs once for all that the gap skips',
      berlin('15,45 2 * * *'),
      { now: '2026-03-29T00:59:00Z' },
      { next: at('2026-03-29T01:00:00Z') },
    ],
    [
      'with a list of minutes runs at each of two equal hours once',
      berlin('15,45 2 * * *'),
      { now: '2026-10-25T00:50:00Z', promised: '2026-10-25T00:45:00Z', handled: '2026-10-25T00:45:00Z' },
      { next: at('2026-10-26T01:15:00Z') },
    ],
    [
      'that was missed during the gap is made up for',
      berlin('15,45 2 * * *'),
      { now: '2026-03-29T01:20:00Z', promised: '2026-03-29T01:00:00Z', handled: '2026-03-28T01:45:00Z' },
      { due: at('2026-03-29T01:00:00Z') },
    ],
    [
      'with a step goes by interval while the clock is set back',
      berlin('*/15 * * * *'),
      { now: '2026-10-25T01:10:00Z', promised: '2026-10-25T01:00:00Z', handled: '2026-10-25T00:45:00Z' },
      { due: at('2026-10-25T01:00:00Z') },
    ],
    [
      'with a step of hours skips what the clock does not show',
      berlin('0 */2 * * *'),
      { now: '2026-03-28T23:00:01Z' },
      { next: at('2026-03-29T02:00:00Z') },
    ],
    [
      'every hour runs every real hour while the clock is set forward',
      berlin('0 * * * *'),
      { now: '2026-03-29T00:30:00Z' },
      { next: at('2026-03-29T01:00:00Z') },
    ],
    [
      'every hour runs every real hour while the clock is set back',
      berlin('0 * * * *'),
      { now: '2026-10-25T00:30:00Z' },
      { next: at('2026-10-25T01:00:00Z') },
    ],
  ])('%s', (_, schedule, o, expected) => {
    const optional = (text: string | undefined) => (text === undefined ? undefined : at(text));
    const state = scheduleState(schedule, {
      now: at(o.now),
      promised: optional(o.promised),
      handled: optional(o.handled),
    });
    expect(state).toMatchObject(expected);
    for (const key of ['due', 'missed', 'next'] as const) {
      if (key !== 'next' || !('due' in expected)) expect(key in state).toBe(key in expected);
    }
  });

  it.each(['61 * * * *', '* * * *', '0 0 * * 9', '? ? * * *', 'a b c d e', '30-10 * * * *', '0 0 30 2 *'])(
    'says what is wrong with %s',
    (text) => {
      expect(
        scheduleState(
          { ...hourly, schedule: text },
          { now: at('2026-11-23T10:00:00Z'), promised: undefined, handled: undefined },
        ),
      ).toEqual({
        problem: expect.stringContaining('the schedule hourly is not valid') as string,
      });
    },
  );
  it('says what is wrong with a time zone', () => {
    const state = scheduleState(
      { ...hourly, timeZone: 'Mars/Olympus' },
      { now: at('2026-11-23T10:00:00Z'), promised: undefined, handled: undefined },
    );
    expect(state.problem).toContain('Mars/Olympus');
  });
  it('gives a run one name, in UTC', () => {
    expect(scheduledName('orders', 'hourly', at('2026-11-23T07:00:00Z'))).toBe('orders-hourly-202611230700');
  });
});

describe('the schedules of a cluster', () => {
  const now = at('2026-11-23T11:00:01Z');
  const store = { s3: { bucket: 'backups', credentialsSecret: { name: 's3' } } };
  const subject = cluster({
    backup: { store, schedules: [hourly] },
    status: { backup: { schedules: [{ name: 'hourly', nextScheduleTime: '2026-11-23T11:00:00Z' }] } },
  });
  const policy = { store: { s3: { ...store.s3, region: 'x', prefix: '', forcePathStyle: true } }, schedules: [hourly] };
  const view = (backups: Parameters<typeof viewSchedules>[2], memory = new ScheduleMemory()) =>
    viewSchedules(subject, policy, backups, memory, now)[0];

  it('are due by the promise in status', () => {
    expect(view([])?.state.due).toEqual(at('2026-11-23T11:00:00Z'));
  });
  it('are not due again when the backup exists', () => {
    expect(view([scheduled('b', '2026-11-23T11:00:00Z', 'False')])).toMatchObject({
      last: at('2026-11-23T11:00:00Z'),
      state: { next: at('2026-11-23T12:00:00Z') },
    });
  });
  it('are not due again when the run was left out', () => {
    const memory = new ScheduleMemory();
    memory.set(subject.metadata.uid as string, 'hourly', at('2026-11-23T11:00:00Z'));
    expect(view([], memory)?.state.due).toBeUndefined();
    memory.keepOnly(new Set([subject.metadata.uid as string]));
    expect(view([], memory)?.state.due, 'while its cluster lives').toBeUndefined();
    memory.keepOnly(new Set(['another']));
    expect(view([], memory)?.state.due).toBeDefined();
  });
  it('go by the newest of their runs, whichever was made first, and by none of another schedule', () => {
    const [old, latest] = [
      scheduled('a', '2026-11-23T09:00:00Z', 'True'),
      scheduled('b', '2026-11-23T10:00:00Z', 'True'),
    ];
    for (const runs of [
      [old, latest],
      [latest, old],
    ])
      expect(view(runs)?.last).toEqual(at('2026-11-23T10:00:00Z'));
    const other = scheduled('c', '2026-11-23T11:00:00Z', 'True');
    expect(view([{ ...other, spec: { ...other.spec, schedule: 'daily' } }])).toMatchObject({
      last: undefined,
      state: { due: at('2026-11-23T11:00:00Z') },
    });
  });
  it('have outlived their time when the next one is due, by the time they were due themselves', () => {
    const late = (annotations: object, created: string) => {
      const run = scheduled('b', '2026-11-23T10:00:00Z', 'False');
      delete run.status?.completionTime;
      return view([{ ...run, metadata: { ...run.metadata, annotations, creationTimestamp: created } } as typeof run])
        ?.outlived;
    };
    const due = { 'etcd.quorate.dev/scheduled-at': '2026-11-23T10:00:00Z' };
    expect(late(due, '2026-11-23T11:00:00Z')).toMatch(
      /^b of the schedule hourly is not finished, .* 2026-11-23T11:00:00Z/,
    );
    expect(late({}, '2026-11-23T10:00:00Z')).toMatch(/^b of the schedule hourly/);
    expect(late({}, '2026-11-23T11:00:00Z')).toBeUndefined();
  });
  it('pay no heed to a run from the future', () => {
    expect(view([scheduled('b', '2030-01-01T00:00:00Z', 'True')])?.state.due).toBeDefined();
  });
  it('know a run that is not finished', () => {
    const running = scheduled('b', '2026-11-23T10:00:00Z', 'False');
    delete running.status?.completionTime;
    expect(view([running])?.running).toBe('b');
  });
});
