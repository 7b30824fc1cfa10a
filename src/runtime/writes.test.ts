// SPDX-License-Identifier: Apache-2.0
// Several writes of one step at once: how many, and how it ends.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { all } from './writes.ts';

it.each([
  ['at most eight', undefined, 8],
  ['one at a time', 1, 1],
])('%s are under way, in their order, and all are done', async (_, atOnce, limit) => {
  let [now, most] = [0, 0];
  const begun: number[] = [];
  const numbers = Array.from({ length: 30 }, (__, i) => i);
  const work = numbers.map((n) => async () => {
    begun.push(n);
    most = Math.max(most, (now += 1));
    await turn();
    now -= 1;
    return n;
  });
  const answers = await all(work, atOnce);
  expect(answers.toSorted((a, b) => a - b)).toEqual(numbers);
  expect({ most, now, begun }).toEqual({ most: limit, now: 0, begun: numbers });
});

it('the failure of the first in their order is thrown when all have ended, whichever fails first', async () => {
  const done: number[] = [];
  const work = [1, 2, 3].map((n) => async () => {
    if (n === 2) throw new Error('no 2');
    await turn();
    if (n === 1) throw new Error('no 1');
    done.push(n);
  });
  await expect(all(work)).rejects.toThrow('no 1');
  expect(done).toEqual([3]);
});
