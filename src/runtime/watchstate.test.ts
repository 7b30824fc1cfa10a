// SPDX-License-Identifier: Apache-2.0
// What a reflector does after each way in which a list or a watch can end.
import { describe, expect, it } from 'vitest';
import { KubeError } from './errors.ts';
import { afterPass, type Ending, isOlder, judgeList, type Position, START } from './watchstate.ts';

const watching: Position = { version: '100', paged: 0, failures: 0, fast: 0 };
const error = (code: KubeError['code'], status?: number) =>
  new KubeError(code, 'x', status === undefined ? {} : { status });
const ended = (lastedMs: number, e?: KubeError, version: string | undefined = '107'): Ending => ({
  lastedMs,
  opened: true,
  listAgeMs: 300_000,
  version,
  ...(e === undefined ? {} : { error: e }),
});
const doubtful = (lastedMs: number, e: KubeError): Ending => ({ ...ended(lastedMs, e), version: undefined });
const unopened = (ending: Ending): Ending => ({ ...ending, opened: false });
const SILENT = error('Timeout');

const rows: [string, Position, Ending, Partial<Position>][] = [
  [
    'ended in the ordinary way: goes on from where it was, at once',
    watching,
    ended(50_000),
    { version: '107', failures: 0 },
  ],
  [
    'expired: lists anew, after a pause',
    watching,
    ended(50_000, error('Gone', 410)),
    { version: undefined, failures: 1 },
  ],
  ['silent: lists anew', watching, ended(58_000, SILENT), { version: undefined, paged: 0, failures: 1 }],
  [
    'nobody opened it in time: the version is still good',
    watching,
    unopened(ended(58_000, SILENT)),
    { version: '107', paged: 0, failures: 1 },
  ],
  [
    'a server that answers that it took too long: lists anew',
    watching,
    unopened(ended(3_000, error('Timeout', 504))),
    { version: undefined, paged: 0 },
  ],
  [
    'ended in the ordinary way ten minutes after its list: lists anew, at once',
    watching,
    { ...ended(50_000), listAgeMs: 600_000 },
    { version: undefined, paged: 0, failures: 0 },
  ],
  [
    'a malformed line: lists anew',
    watching,
    doubtful(9_000, error('Unavailable')),
    { version: undefined, failures: 1 },
  ],
  [
    'a broken connection: the version is still good',
    watching,
    ended(9_000, error('Unavailable')),
    { version: '107', failures: 1 },
  ],
  [
    'a server error in the stream: the version is still good',
    watching,
    ended(9_000, error('Unavailable', 500)),
    { version: '107', failures: 1 },
  ],
  [
    'a right that was taken away: the version is still good',
    watching,
    ended(20, error('Forbidden', 403), '100'),
    { version: '100', failures: 1, fast: 1 },
  ],
  [
    'closed at once without a reason: pauses, and counts',
    watching,
    ended(20),
    { version: '107', failures: 1, fast: 1 },
  ],
  [
    'closed at once for the third time: gives the version up',
    { ...watching, failures: 2, fast: 2 },
    ended(20),
    { version: undefined, failures: 3, fast: 0 },
  ],
  [
    "nobody there for the third time: that is not the version's fault",
    { ...watching, failures: 2, fast: 2 },
    ended(20, error('Unavailable')),
    { version: '107', failures: 3, fast: 2 },
  ],
  [
    'a version that the server does not know yet, for the third time: gives it up',
    { ...watching, failures: 2, fast: 2 },
    ended(20, error('Unavailable', 500)),
    { version: undefined, fast: 0 },
  ],
  [
    'lasted a second: that is not at once',
    { ...watching, fast: 2 },
    ended(1_000),
    { version: '107', failures: 0, fast: 0 },
  ],
  ['lasted less: it is', { ...watching, fast: 1 }, ended(999), { version: '107', failures: 1, fast: 2 }],
  [
    'fails after five seconds: the pause is short again',
    { ...watching, failures: 9 },
    ended(5_000, error('Unavailable')),
    { failures: 1 },
  ],
  ['fails sooner: it is not', { ...watching, failures: 9 }, ended(4_999, error('Unavailable')), { failures: 10 }],
  [
    'fails after a long good time: the pause is short again',
    { ...watching, failures: 9 },
    ended(30_000, error('Unavailable')),
    { failures: 1 },
  ],
  [
    'fails again soon: the pause grows',
    { ...watching, failures: 3 },
    ended(2_000, error('Unavailable')),
    { failures: 4 },
  ],
  [
    'streaming lists refused: pages for the next six lists',
    START,
    unopened(doubtful(20, error('Invalid', 422))),
    { version: undefined, paged: 6, failures: 1 },
  ],
  ['a streamed list that does not end: pages for the next six lists', START, doubtful(58_000, SILENT), { paged: 6 }],
  ['a streamed list that nobody opens in time: still streams', START, unopened(doubtful(58_000, SILENT)), { paged: 0 }],
  [
    'a streamed list that a load balancer gives up: still streams',
    START,
    unopened(doubtful(60_000, error('Timeout', 504))),
    { paged: 0 },
  ],
  ['a silent watch after a list that was complete: still streams', START, ended(58_000, SILENT), { paged: 0 }],
  [
    'a list by pages is complete: one less of them',
    { ...START, paged: 6 },
    ended(50_000),
    { version: '107', paged: 5 },
  ],
  ['the last list by pages is complete: the next is streamed', { ...START, paged: 1 }, ended(50_000), { paged: 0 }],
  [
    'a list by pages fails: as many of them',
    { ...START, paged: 6 },
    doubtful(20, error('Unavailable', 500)),
    { paged: 6 },
  ],
  ['a watch ends: as many of them', { ...watching, paged: 6 }, ended(50_000), { paged: 6 }],
  [
    'a list refused for its right: still streams',
    START,
    unopened(doubtful(20, error('Forbidden', 403))),
    { version: undefined, paged: 0 },
  ],
];

describe('afterPass', () => {
  for (const [sentence, position, ending, expected] of rows) {
    it(sentence, () => expect(afterPass(position, ending)).toMatchObject(expected));
  }
});

describe('judgeList', () => {
  const table = [
    ['the first list is taken', '5', undefined, 0, 'take'],
    ['one of the same version is taken', '100', '100', 0, 'take'],
    ['a newer one is taken', '101', '100', 0, 'take'],
    ['an older one is refused, by number and not by text', '99', '100', 0, 'refuse'],
    ['an older one is refused again', '99', '100', 7, 'refuse'],
    ['when there is nothing else, the server was set back', '99', '100', 8, 'reset'],
    ['versions that are not numbers are not judged', 'a', 'b', 0, 'take'],
  ] as const;
  for (const [sentence, version, newest, refusals, expected] of table) {
    it(sentence, () => expect(judgeList(version, newest, refusals)).toBe(expected));
  }
});

describe('isOlder', () => {
  it('compares beyond the numbers that a double can hold', () => {
    expect(isOlder('9007199254740992', '9007199254740993')).toBe(true);
    expect(isOlder('9007199254740993', '9007199254740992')).toBe(false);
  });
  it.each([
    [undefined, '1'],
    ['1', undefined],
    ['a', '9'],
    ['1', 'b2'],
    ['1', '-2'],
    ['2', '2'],
  ])('knows nothing of what is missing or no number: %s, %s', (a, b) => {
    expect(isOlder(a, b)).toBe(false);
  });
});
