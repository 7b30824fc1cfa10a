// SPDX-License-Identifier: Apache-2.0
// Who may take the Lease, decided without looking at anybody else's clock.
import { describe, expect, it } from 'vitest';
import { decide, type Sighting } from './elector.ts';
import type { Lease } from './resources.ts';

const lease = (holder: string | undefined, renewed = '2026-01-01T00:00:00.000000Z', uid = 'u'): Lease => ({
  metadata: { name: 'l', uid },
  spec: { holderIdentity: holder, leaseDurationSeconds: 15, renewTime: renewed },
});
const seen = (l: Lease | undefined, at: number): Sighting => ({
  record: JSON.stringify([l?.spec, l?.metadata.uid]),
  at,
});

const rows: [string, Lease | undefined, Sighting | undefined, number, string][] = [
  ['no lease is created', undefined, undefined, 0, 'create'],
  ['our own is renewed', lease('me'), undefined, 0, 'renew'],
  ['a released one is taken at once', lease(''), undefined, 0, 'take'],
  [
    'a stranger seen for the first time is waited for, however old its time looks',
    lease('other', '1999-01-01T00:00:00.000000Z'),
    undefined,
    1e9,
    'wait',
  ],
  ['a stranger that stood still for the duration is replaced', lease('other'), seen(lease('other'), 0), 15_001, 'take'],
  ['a stranger that stood still for less is waited for', lease('other'), seen(lease('other'), 0), 15_000, 'wait'],
  ['a stranger that renewed is waited for anew', lease('other', 'later'), seen(lease('other'), 0), 60_000, 'wait'],
  [
    'a lease deleted and made anew by a stranger is waited for anew',
    lease('other', undefined, 'v'),
    seen(lease('other'), 0),
    60_000,
    'wait',
  ],
]; // prettier-ignore

describe('decide', () => {
  for (const [sentence, l, sighting, now, expected] of rows) {
    it(sentence, () => expect(decide(l, 'me', sighting, now)).toBe(expected));
  }
});
