// SPDX-License-Identifier: Apache-2.0
// Notes fit what the server takes.
import { expect, it } from 'vitest';
import { firstBytes } from './events.ts';

const rows: [string, string, number, string][] = [
  ['a short text is whole', 'abc', 3, 'abc'],
  ['a long one is cut', 'abcd', 3, 'abc'],
  ['never inside a character', 'aüü', 4, 'aü'],
];
for (const [sentence, text, limit, expected] of rows) {
  it(sentence, () => expect(firstBytes(text, limit)).toBe(expected));
}
