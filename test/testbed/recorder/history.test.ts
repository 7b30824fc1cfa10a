// SPDX-License-Identifier: Apache-2.0
// What the recorder's check finds and what it lets pass, as a table.
import { expect, test } from 'vitest';
import { type Ack, type History, problemsOf, type SeenEvent, type StoredKey, storeProblems } from './history.ts';

const ack = (key: string, revision: number, startedAt: number, endedAt: number): Ack => ({
  key,
  value: `v-${key}`,
  revision: BigInt(revision),
  startedAt,
  endedAt,
});
const kept = (key: string, revision: number, created = revision): StoredKey => ({
  key,
  value: `v-${key}`,
  createRevision: BigInt(created),
  modRevision: BigInt(revision),
});
const put = (key: string, revision: number): SeenEvent => ({ key, type: 'PUT', revision: BigInt(revision) });

const good: History = {
  attempted: new Set(['a', 'b', 'c']),
  acks: [ack('a', 2, 0, 10), ack('b', 3, 20, 30)],
  stored: [kept('a', 2), kept('b', 3)],
  seen: [put('a', 2), put('b', 3)],
  watchGap: false,
};

test.each<[string, Partial<History>, string[]]>([
  ['a faultless history has no problem', {}, []],
  [
    'a write of unknown outcome may be there',
    { stored: [...good.stored, kept('c', 4)], seen: [...good.seen, put('c', 4)] },
    [],
  ],
  ['writes at the same time may be acknowledged in any order', { acks: [ack('a', 2, 0, 30), ack('b', 3, 5, 20)] }, []],
  [
    'an acknowledged write that is gone is told',
    { stored: [kept('a', 2)], seen: [put('a', 2)] },
    ['1 of 2 acknowledged writes are missing: b (revision 3)'],
  ],
  [
    'a write stored at another revision than acknowledged is told',
    { stored: [kept('a', 2), kept('b', 5)], seen: [put('a', 2), put('b', 5)] },
    ['1 acknowledged writes are stored otherwise: b: acknowledged at 3, stored at 5'],
  ],
  [
    'a key that nobody wrote is told',
    { stored: [...good.stored, kept('x', 9)], seen: [...good.seen, put('x', 9)] },
    ['1 keys were never written by this client: x'],
  ],
  ['a write applied twice is told', { stored: [kept('a', 2), kept('b', 3, 1)] }, ['1 keys were written twice: b']],
  [
    'a revision that goes back is told',
    {
      acks: [ack('a', 7, 0, 10), ack('b', 3, 20, 30)],
      stored: [kept('a', 7), kept('b', 3)],
      seen: [put('b', 3), put('a', 7)],
    },
    ['1 writes went back in revision: b at 3 began after a at 7 was acknowledged'],
  ],
  ['a key the watcher did not see is told', { seen: [put('a', 2)] }, ['1 stored keys were not seen by the watcher: b']],
  ['unless a compaction overtook the watcher', { seen: [put('a', 2)], watchGap: true }, []],
  [
    'an event seen of a write that is not stored is told',
    { seen: [...good.seen, put('c', 4)] },
    ['1 events were seen of writes that are not stored: c'],
  ],
  [
    'events out of order are told',
    { seen: [put('b', 3), put('a', 2)] },
    ['1 watch events came out of order: a at 2 after 3'],
  ],
])('%s', (_title, change, want) => {
  expect(problemsOf({ ...good, ...change })).toEqual(want);
});

test.each<[string, StoredKey[], string[]]>([
  ['all that was acknowledged is there', good.stored as StoredKey[], []],
  [
    'a write of unknown outcome does not make up for one that is missing',
    [kept('a', 2), kept('c', 4)],
    ['1 of 2 acknowledged writes are missing: b (revision 3)'],
  ],
  ['nothing is there', [], ['2 of 2 acknowledged writes are missing: a (revision 2), b (revision 3)']],
])('what is stored alone: %s', (_title, stored, want) => {
  expect(storeProblems({ ...good, stored })).toEqual(want);
});
