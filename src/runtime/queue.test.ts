// SPDX-License-Identifier: Apache-2.0
// The work queue under a clock that the test turns.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settle, TestClock } from './fixtures.ts';
import { type Failing, type QueueOptions, WorkQueue } from './queue.ts';

/** Its only worker fails at every try, and waits as long as it may. */
function alwaysFailing(clock: TestClock, o: Pick<QueueOptions, 'backoff' | 'patience' | 'impatience'>) {
  let tries = 0;
  const run = () => {
    tries += 1;
    return Promise.reject(new Error('x'));
  };
  return { queue: new WorkQueue({ ...o, workers: 1, clock, random: () => 1, run }), tries: () => tries };
}

describe('work queue', () => {
  it('merges requests for a key that is waiting, and runs it once more when it is asked for while running', async () => {
    const runs: string[] = [];
    let release = (): void => undefined;
    const queue = new WorkQueue({
      workers: 1,
      run: (key) => {
        runs.push(key);
        return new Promise((resolve) => {
          release = () => resolve(undefined);
        });
      },
    });
    queue.add('a');
    queue.add('a');
    queue.add('a');
    expect(runs).toEqual(['a']);
    release();
    await settle();
    expect(runs).toEqual(['a', 'a']);
    release();
    await settle();
    expect(runs).toEqual(['a', 'a']);
  });

  it('knows the run that takes longest, so that one that never ends is noticed', async () => {
    const clock = new TestClock();
    const ends: (() => void)[] = [];
    const run = (): Promise<undefined> => new Promise((resolve) => ends.push(() => resolve(undefined)));
    const queue = new WorkQueue({ workers: 2, clock, run });
    expect(queue.longest).toBeUndefined();
    queue.add('a');
    await clock.turn(100);
    queue.add('b');
    await clock.turn(50);
    expect(queue.longest).toEqual({ key: 'a', ms: 150 });
    ends[0]?.();
    await settle();
    expect(queue.longest).toEqual({ key: 'b', ms: 50 });
  });

  it('backs a failing key off and lets the others through', async () => {
    const clock = new TestClock();
    const runs: string[] = [];
    const queue = new WorkQueue({
      workers: 1,
      clock,
      random: () => 1,
      backoff: { firstMs: 100, maxMs: 1000 },
      run: (key) => {
        runs.push(key);
        return key === 'poison' ? Promise.reject(new Error('x')) : Promise.resolve(undefined);
      },
    });
    queue.add('poison');
    queue.add('good');
    await settle();
    expect(runs).toEqual(['poison', 'good']);
    await clock.turn(99);
    expect(runs).toHaveLength(2);
    await clock.turn(1);
    expect(runs).toEqual(['poison', 'good', 'poison']);
    await clock.turn(199);
    expect(runs).toHaveLength(3);
    await clock.turn(1);
    expect(runs).toHaveLength(4);
  });

  it('keeps the earliest of several times for one key', async () => {
    const clock = new TestClock();
    const runs: number[] = [];
    const queue = new WorkQueue({
      workers: 1,
      clock,
      run: () => {
        runs.push(clock.now());
        return Promise.resolve(undefined);
      },
    });
    queue.addAfter('a', 500);
    queue.addAfter('a', 100);
    queue.addAfter('a', 300);
    await clock.turn(100);
    await clock.turn(1000);
    expect(runs).toEqual([100]);
  });

  it('never runs a key twice at once, never more keys than workers, and loses no request', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(5), { maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        async (adds, workers) => {
          const running = new Set<string>();
          let most = 0;
          const seen = new Map<string, number>();
          let stamp = 0;
          const queue = new WorkQueue({
            workers,
            run: async (key) => {
              expect(running.has(key)).toBe(false);
              running.add(key);
              most = Math.max(most, running.size);
              seen.set(key, stamp);
              await Promise.resolve();
              await Promise.resolve();
              running.delete(key);
              return undefined;
            },
          });
          const asked = new Map<string, number>();
          for (const n of adds) {
            stamp += 1;
            asked.set(String(n), stamp);
            queue.add(String(n));
            if (n % 2 === 0) await Promise.resolve();
          }
          for (let i = 0; i < 40; i += 1) await settle();
          expect(most).toBeLessThanOrEqual(workers);
          for (const [key, at] of asked) expect(seen.get(key)).toBeGreaterThanOrEqual(at);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('answers a pending time with a run that comes sooner', async () => {
    const clock = new TestClock();
    let runs = 0;
    const queue = new WorkQueue({ workers: 1, clock, run: () => Promise.resolve(void (runs += 1)) });
    queue.addAfter('a', 100);
    queue.add('a');
    await clock.turn(1000);
    expect(runs).toBe(1);
    queue.addAfter('a', 100);
    await clock.turn(100);
    expect(runs, 'and is asked for again as before').toBe(2);
  });

  it('tells a run since when the runs of its key have failed', async () => {
    const clock = new TestClock();
    const told: Failing[] = [];
    const queue = new WorkQueue({
      workers: 1,
      clock,
      random: () => 1,
      backoff: { firstMs: 100, maxMs: 100 },
      run: (_key, failing) => {
        told.push(failing);
        return told.length === 3 ? Promise.resolve(100) : Promise.reject(new Error('x'));
      },
    });
    await clock.turn(5);
    queue.add('a');
    await settle();
    for (let i = 0; i < 4; i += 1) await clock.turn(100);
    expect(told).toEqual([
      { times: 0, since: undefined },
      { times: 1, since: 5 },
      { times: 2, since: 5 },
      { times: 0, since: undefined },
      { times: 1, since: 305 },
    ]);
  });

  it('waits as long as a failure asks for', async () => {
    const clock = new TestClock();
    const { queue, tries } = alwaysFailing(clock, { backoff: { firstMs: 100, maxMs: 1000 }, patience: () => 7000 });
    queue.add('a');
    await settle();
    await clock.turn(6999);
    expect(tries()).toBe(1);
    await clock.turn(1);
    expect(tries()).toBe(2);
  });

  it('tries again in time what is impatient, however often it failed', async () => {
    let impatient = true;
    const clock = new TestClock();
    const { queue, tries } = alwaysFailing(clock, {
      backoff: { firstMs: 100, maxMs: 60_000 },
      impatience: () => (impatient ? 250 : Number.POSITIVE_INFINITY),
    });
    queue.add('a');
    await settle();
    for (const ms of [100, 200, 250, 250]) await clock.turn(ms);
    expect(tries()).toBe(5);
    impatient = false;
    for (const ms of [250, 400]) await clock.turn(ms);
    expect(tries(), 'another failure waits no longer than if it had come then').toBe(7);
  });

  it('does not turn a wait that is longer than a timer can hold into none', async () => {
    const clock = new TestClock();
    let longest = 0;
    const queue = new WorkQueue({
      workers: 1,
      clock: {
        now: () => clock.now(),
        after: (ms, run) => {
          longest = Math.max(longest, ms);
          return clock.after(ms, run);
        },
      },
      run: () => Promise.resolve(undefined),
    });
    queue.addAfter('a', 90 * 86_400_000);
    expect(longest).toBe(2 ** 31 - 1);
    await queue.stop();
  });
});
