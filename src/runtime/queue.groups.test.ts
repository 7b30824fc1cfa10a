// SPDX-License-Identifier: Apache-2.0
// Who of the work queue's keys gets a worker, and how the queue ends.
import { describe, expect, it } from 'vitest';
import { settle, TestClock } from './fixtures.ts';
import { WorkQueue } from './queue.ts';

describe('work queue', () => {
  const hanging = ['slow/a', 'slow/b', 'slow/c', 'slow/d', 'slower/a', 'slower/b', 'slower/c'];
  it.each([
    ['one group', hanging.slice(0, 4), ['slow/a', 'slow/b', 'slow/c', 'slow/d']],
    ['two groups', hanging, ['slow/a', 'slow/b', 'slow/c', 'slow/d', 'slower/a']],
  ])('leaves workers to others when the keys of %s hang', async (_groups, keys, started) => {
    const runs: string[] = [];
    const queue = new WorkQueue({
      workers: 6,
      group: (key) => key.split('/')[0] as string,
      reserve: 2,
      run: (key) => {
        runs.push(key);
        return key.startsWith('slow') ? new Promise(() => undefined) : Promise.resolve(undefined);
      },
    });
    for (const key of [...keys, 'quick/a', 'quick/b']) queue.add(key);
    await settle();
    expect(runs).toEqual([...started, 'quick/a', 'quick/b']);
  });

  it('has no worker more than it may, also for a group that has none', async () => {
    const runs: string[] = [];
    const queue = new WorkQueue({
      workers: 2,
      group: (key) => key,
      reserve: 1,
      run: (key) => {
        runs.push(key);
        return new Promise(() => undefined);
      },
    });
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await settle();
    expect([runs, queue.depth]).toEqual([['a', 'b'], 1]);
  });

  it('counts a group as long as any of its keys runs, and no longer', async () => {
    const ends = new Map<string, () => void>();
    const queue = new WorkQueue({
      workers: 4,
      group: (key) => key.split('/')[0] as string,
      reserve: 2,
      run: (key) => new Promise((resolve) => ends.set(key, () => resolve(undefined))),
    });
    for (const key of ['slow/a', 'slow/b', 'slow/c', 'quick/a', 'other/a']) queue.add(key);
    const running = () => [...ends.keys()];
    expect(running()).toEqual(['slow/a', 'slow/b', 'quick/a', 'other/a']);
    const end = async (key: string) => {
      ends.get(key)?.();
      ends.delete(key);
      await settle();
    };
    await end('slow/a');
    expect(running(), 'one of the group still runs').toEqual(['slow/b', 'quick/a', 'other/a']);
    await end('slow/b');
    expect(running(), 'none does').toEqual(['quick/a', 'other/a', 'slow/c']);
  });

  it('stops: no time that is pending comes, and nothing that is asked for', async () => {
    const clock = new TestClock();
    const runs: string[] = [];
    const queue = new WorkQueue({ workers: 2, clock, run: (key) => Promise.resolve(void runs.push(key)) });
    queue.addAfter('a', 100);
    await queue.stop();
    expect(clock.pending, 'timers').toBe(0);
    queue.add('b');
    queue.addAfter('c', 0);
    queue.addAfter('d', 5);
    await clock.turn(1000);
    expect([runs, clock.pending]).toEqual([[], 0]);
  });

  it('stops: resolves when the last of several runs has ended, and runs none of them again', async () => {
    const ends: (() => void)[] = [];
    const runs: string[] = [];
    const queue = new WorkQueue({
      workers: 2,
      run: (key) => {
        runs.push(key);
        return new Promise((resolve) => ends.push(() => resolve(undefined)));
      },
    });
    queue.add('a');
    queue.add('b');
    queue.add('a');
    let stopped = false;
    const stopping = queue.stop().then(() => void (stopped = true));
    ends[0]?.();
    await settle();
    expect(stopped).toBe(false);
    ends[1]?.();
    await stopping;
    expect(runs).toEqual(['a', 'b']);
  });

  it('stops: takes nothing new and resolves when the last run has ended', async () => {
    let release = (): void => undefined;
    const queue = new WorkQueue({
      workers: 1,
      run: () =>
        new Promise((r) => {
          release = () => r(undefined);
        }),
    });
    queue.add('a');
    queue.add('b');
    let stopped = false;
    const stopping = queue.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    release();
    await stopping;
    expect(queue.depth).toBe(0);
  });
});
