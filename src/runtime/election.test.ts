// SPDX-License-Identifier: Apache-2.0
// Who may take the Lease, decided without looking at anybody else's clock.
import { describe, expect, it } from 'vitest';
import { completeLease, decide, identityOf, leaseSpec, type Sighting, sight } from './election.ts';
import type { Lease } from './resources.ts';

const OLD = '2026-01-01T00:00:00.000000Z';
const lease = (holder: string | undefined, o: { renewed?: string; uid?: string; seconds?: number } = {}): Lease => ({
  metadata: { name: 'l', uid: o.uid ?? 'u' },
  spec: { holderIdentity: holder, leaseDurationSeconds: o.seconds ?? 15, renewTime: o.renewed ?? OLD },
});
const look = (l: Lease | undefined, seen: Sighting | undefined, now: number) =>
  sight(l, seen, { identity: 'me', durationMs: 15_000, now });

/** What was seen and when, oldest first; the last one is acted on. */
const rows: [string, [number, Lease | undefined][], string][] = [
  ['no lease is created', [[0, undefined]], 'create'],
  ['our own is renewed, also when we were away', [[0, lease('me')]], 'renew'],
  ['a released one is taken at once', [[0, lease('')]], 'take'],
  [
    'one released while we wait is taken at once',
    [
      [0, lease('other')],
      [1_000, lease('')],
    ],
    'take',
  ],
  ['a stranger seen for the first time is waited for, however old its time looks', [[1e9, lease('other')]], 'wait'],
  [
    'a stranger that stood still for the duration is replaced',
    [
      [0, lease('other')],
      [15_001, lease('other')],
    ],
    'take',
  ],
  [
    'a stranger that stood still for less is waited for',
    [
      [0, lease('other')],
      [15_000, lease('other')],
    ],
    'wait',
  ],
  [
    'a stranger that renewed is waited for anew',
    [
      [0, lease('other')],
      [60_000, lease('other', { renewed: 'later' })],
    ],
    'wait',
  ],
  [
    'a lease deleted and made anew by a stranger is waited for anew',
    [
      [0, lease('other')],
      [60_000, lease('other', { uid: 'v' })],
    ],
    'wait',
  ],
  [
    'a lease that vanished may still have its holder',
    [
      [0, lease('other')],
      [5_000, undefined],
    ],
    'wait',
  ],
  [
    'a lease that vanished for the duration has none',
    [
      [0, lease('other')],
      [5_000, undefined],
      [15_001, undefined],
    ],
    'create',
  ],
  [
    'our own that vanished is made again at once',
    [
      [0, lease('me')],
      [2_000, undefined],
    ],
    'create',
  ],
  [
    'a duration edited to next to nothing is not believed',
    [
      [0, lease('other', { seconds: 1 })],
      [2_000, lease('other', { seconds: 1 })],
    ],
    'wait',
  ],
  [
    'a longer duration than ours is waited for',
    [
      [0, lease('other', { seconds: 60 })],
      [50_000, lease('other', { seconds: 60 })],
    ],
    'wait',
  ],
  [
    'a duration edited to years stops nobody for good',
    [
      [0, lease('other', { seconds: 1e9 })],
      [120_001, lease('other', { seconds: 1e9 })],
    ],
    'take',
  ],
  [
    'but is waited for as long as anybody may ask',
    [
      [0, lease('other', { seconds: 1e9 })],
      [120_000, lease('other', { seconds: 1e9 })],
    ],
    'wait',
  ],
];

describe('decide', () => {
  for (const [sentence, sightings, expected] of rows) {
    it(sentence, () => {
      let seen: Sighting | undefined;
      let election = '';
      for (const [now, l] of sightings) {
        seen = look(l, seen, now);
        election = decide(l, 'me', seen, now);
      }
      expect(election).toBe(expected);
    });
  }
});

describe('leaseSpec', () => {
  const o = { identity: 'me', durationMs: 14_500, now: new Date('2026-05-06T07:08:09.123Z') };
  it('writes times with six digits and a duration in whole seconds that is not too short', () => {
    expect(leaseSpec(undefined, 'create', o)).toEqual({
      holderIdentity: 'me',
      leaseDurationSeconds: 15,
      acquireTime: '2026-05-06T07:08:09.123000Z',
      renewTime: '2026-05-06T07:08:09.123000Z',
      leaseTransitions: 0,
    });
  });

  it('counts a transition when it is taken, and keeps the time of acquiring when it is renewed', () => {
    const other = lease('other');
    const since = { ...other, spec: { ...other.spec, acquireTime: OLD, leaseTransitions: 6 } };
    const taken = leaseSpec(since, 'take', o);
    expect([taken.leaseTransitions, taken.acquireTime]).toEqual([7, '2026-05-06T07:08:09.123000Z']);
    const renewed = leaseSpec({ ...lease('me'), spec: taken }, 'renew', {
      ...o,
      now: new Date('2026-05-06T08:00:00Z'),
    });
    expect(renewed).toEqual({ ...taken, renewTime: '2026-05-06T08:00:00.000000Z' });
  });
});

describe('completeLease', () => {
  const named = { namespace: 'n', name: 'l' };
  it('has defaults in the order that safety needs', () => {
    const { retryMs, renewDeadlineMs, durationMs } = completeLease(named);
    expect([retryMs, renewDeadlineMs, durationMs]).toEqual([3_000, 10_000, 15_000]);
  });
  it('refuses to write for longer than others wait', () => {
    expect(() => completeLease({ ...named, durationMs: 10_000 })).toThrow(RangeError);
    expect(() => completeLease({ ...named, retryMs: 10_000 })).toThrow(RangeError);
  });
});

describe('identityOf', () => {
  it('is the name of the pod', () => expect(identityOf('quorate-7d9f-x2k')).toBe('quorate-7d9f-x2k'));
  it.each([undefined, ''])('is no one else’s where there is no pod: %o', (pod) => {
    expect(identityOf(pod)).not.toBe('');
    expect(identityOf(pod)).not.toBe(identityOf(pod));
  });
});
