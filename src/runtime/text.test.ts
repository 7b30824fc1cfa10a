// SPDX-License-Identifier: Apache-2.0
// What others wrote cannot forge lines, and fits what the server takes.
import { describe, expect, it } from 'vitest';
import { firstBytes, oneLine } from './text.ts';

const lines: [string, string, string][] = [
  ['ends of lines of every kind', 'a\r\nb\u2028c\u0085d', 'a b c d'],
  ['escape sequences lose what makes them act', '\u001b[31mred\u001b[0m', '[31mred [0m'],
  ['eight-bit escapes too', 'a\u009b2Jb', 'a 2Jb'],
  ['bells, backspaces, zeros', 'a\u0007\b\0b', 'a b'],
  ['characters that turn the direction of writing', 'user\u202Etxt', 'user txt'],
  ['letters of any script stay', 'ä 漢 🦊', 'ä 漢 🦊'],
];
describe('oneLine', () => {
  for (const [sentence, text, expected] of lines) it(sentence, () => expect(oneLine(text)).toBe(expected));
});

const notes: [string, string, number, string][] = [
  ['a short text is whole', 'abc', 3, 'abc'],
  ['a long one is cut', 'abcd', 3, 'abc'],
  ['never inside a character', 'aüü', 4, 'aü'],
];
describe('firstBytes', () => {
  for (const [sentence, text, limit, expected] of notes)
    it(sentence, () => expect(firstBytes(text, limit)).toBe(expected));
});
