// SPDX-License-Identifier: Apache-2.0
// Lines come out whole, however the bytes are cut.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from './lines.ts';

describe('line splitter', () => {
  it('gives the same lines wherever the stream is cut, also inside a character', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).filter((s) => !s.includes('\n'))),
        fc.integer({ min: 1, max: 7 }),
        (lines, size) => {
          const bytes = new TextEncoder().encode(lines.map((l) => `${l}\n`).join(''));
          const splitter = new LineSplitter();
          const out: string[] = [];
          for (let i = 0; i < bytes.length; i += size) out.push(...splitter.push(bytes.subarray(i, i + size)));
          expect(out).toEqual(lines);
          expect(splitter.cut).toBe(false);
        },
      ),
    );
  });

  it('knows that it was cut in the middle of a line', () => {
    const splitter = new LineSplitter();
    expect(splitter.push(new TextEncoder().encode('{"a":1}\n{"b"'))).toEqual(['{"a":1}']);
    expect(splitter.cut).toBe(true);
  });
});
