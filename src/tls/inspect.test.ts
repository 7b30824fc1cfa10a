// SPDX-License-Identifier: Apache-2.0
// Several certificates in one text.
import { expect, it } from 'vitest';
import { createAuthority } from './authority.ts';
import { bundle } from './inspect.ts';
import { generateKey } from './keys.ts';

it('a bundle holds every certificate once, in the order of first appearance, whatever the spacing', async () => {
  const key = await generateKey(2048);
  const [ca, other] = await Promise.all([
    createAuthority({ commonName: 'orders client CA', key }),
    createAuthority({ commonName: 'orders client CA', key }),
  ]);
  const joined = bundle(`\n# note\n${ca.cert.replaceAll('\n', '\r\n')}`, other.cert + ca.cert);
  expect(joined).toBe(ca.cert + other.cert);
  expect(bundle(joined)).toBe(joined);
});
