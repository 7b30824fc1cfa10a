// SPDX-License-Identifier: Apache-2.0
// Waits grow, stay in their bounds, and are never all alike.
import { describe, expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';

describe('backoffMs', () => {
  const o = { firstMs: 200, maxMs: 60_000 };
  const rows = [
    [0, 0, 100],
    [0, 1, 200],
    [3, 1, 1600],
    [30, 1, 60_000],
    [4000, 0, 30_000],
  ] as const;
  for (const [failures, random, expected] of rows) {
    it(`waits ${expected} ms after ${failures} earlier failures with random ${random}`, () => {
      expect(backoffMs(failures, o, () => random)).toBe(expected);
    });
  }
});
