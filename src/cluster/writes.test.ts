// SPDX-License-Identifier: Apache-2.0
// Several writes of one step at once: how many, and how it ends.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { all } from './writes.ts';

it('at most eight are under way, and all are done', async () => {
  let [now, most, done] = [0, 0, 0];
  const work = Array.from({ length: 30 }, () => async () => {
    most = Math.max(most, (now += 1));
    await turn();
    now -= 1;
    done += 1;
  });
  await all(work);
  expect({ most, done }).toEqual({ most: 8, done: 30 });
});

it('the first failure is thrown when the others have ended', async () => {
  const done: number[] = [];
  const work = [1, 2, 3].map((n) => async () => {
    if (n < 3) throw new Error(`no ${n}`);
    await turn();
    done.push(n);
  });
  await expect(all(work)).rejects.toThrow('no 1');
  expect(done).toEqual([3]);
});
