// SPDX-License-Identifier: Apache-2.0
// Tests of cutting a stream into parts.
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type Part, partBytes, sendParts } from './parts.ts';

const MIB = 2 ** 20;

describe('the size of a part', () => {
  it.each([
    ['unknown', 0, 8 * MIB],
    ['256 MiB', 256 * MIB, 8 * MIB],
    ['70 GiB', 70 * 1024 * MIB, 8 * MIB],
    ['100 GiB', 100 * 1024 * MIB, 12 * MIB],
    ['5 TiB', 5 * 1024 * 1024 * MIB, 583 * MIB],
  ])('for %s', (_, expected, size) => {
    expect(partBytes(expected)).toBe(size);
    expect(expected / partBytes(expected)).toBeLessThan(10_000);
  });
});

async function collect(chunks: readonly number[], bytes: number, buffers: number) {
  const source = Buffer.from(Array.from({ length: chunks.reduce((a, b) => a + b, 0) }, (_, i) => i % 251));
  let at = 0;
  const body = Readable.from(
    chunks.map((n) => source.subarray(at, (at += n))),
    { objectMode: true },
  );
  const parts: { number: number; data: Buffer; only: boolean }[] = [];
  let [flying, most] = [0, 0];
  const total = await sendParts(body, { bytes, buffers }, async (part: Part) => {
    flying += 1;
    most = Math.max(most, flying);
    await new Promise(setImmediate);
    parts.push({ ...part, data: Buffer.from(part.data) });
    flying -= 1;
  });
  parts.sort((a, b) => a.number - b.number);
  return { source, total, parts, most };
}

describe('a stream in parts', () => {
  it.each([
    ['one short chunk', [3], [3]],
    ['exactly one part', [8], [8]],
    ['one byte more', [9], [8, 1]],
    ['many small chunks', [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [8, 2]],
    ['a chunk over several parts', [29], [8, 8, 8, 5]],
    ['exactly three parts in odd chunks', [5, 14, 5], [8, 8, 8]],
    ['nothing', [], [0]],
  ])('%s', async (_, chunks, sizes) => {
    const { source, total, parts } = await collect(chunks, 8, 2);
    expect(parts.map((p) => p.data.length)).toEqual(sizes);
    expect(parts.map((p) => p.number)).toEqual(sizes.map((_size, i) => i + 1));
    expect(Buffer.concat(parts.map((p) => p.data))).toEqual(source);
    expect(parts.map((p) => p.only)).toEqual(sizes.map(() => sizes.length === 1));
    expect(total).toBe(source.length);
  });
  it('never has more in flight than asked for', async () => {
    const { most, parts } = await collect([200], 8, 3);
    expect(parts).toHaveLength(25);
    expect(most).toBeLessThanOrEqual(3);
    expect(most).toBeGreaterThan(1);
  });
  it('stops reading when a part fails, waits for the others, and says why', async () => {
    const body = Readable.from(
      Array.from({ length: 1000 }, () => Buffer.alloc(8)),
      { objectMode: true },
    );
    let [started, settled] = [0, 0];
    const signals: AbortSignal[] = [];
    const send = async (part: Part, signal: AbortSignal): Promise<void> => {
      started += 1;
      signals.push(signal);
      await new Promise(setImmediate);
      settled += 1;
      if (part.number === 3) throw new Error('full');
    };
    await expect(sendParts(body, { bytes: 8, buffers: 2 }, send)).rejects.toThrow('full');
    expect(body.destroyed).toBe(true);
    expect(signals.map((s) => s.aborted)).toEqual(signals.map(() => true));
    expect(settled).toBe(started);
    expect(started).toBeLessThan(10);
  });
  it('fails as the stream fails', async () => {
    const body = new Readable({
      read() {
        this.destroy(new Error('source died'));
      },
    });
    await expect(sendParts(body, { bytes: 8, buffers: 2 }, async () => {})).rejects.toThrow('source died');
  });
});
