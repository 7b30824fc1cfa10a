// SPDX-License-Identifier: Apache-2.0
// Tests of feeding a sink in batches.
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { feed } from './feed.ts';

async function* chunks(sizes: readonly number[]): AsyncGenerator<Buffer> {
  let n = 0;
  for (const size of sizes) yield Buffer.from(Array.from({ length: size }, () => n++ % 251));
}

async function* broken(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(9);
  throw new Error('source');
}

async function fed(sizes: readonly number[]) {
  const seen: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      // Copied late: a buffer that was reused too early would show.
      setImmediate(() => {
        seen.push(Buffer.from(chunk));
        done();
      });
    },
  });
  const finished = new Promise((resolve) => sink.once('finish', resolve));
  await feed(chunks(sizes), sink, 8);
  await finished;
  return seen;
}

describe('feeding', () => {
  it.each([[[]], [[1]], [[8]], [[3, 3, 3]], [[40, 1]], [Array.from({ length: 50 }, () => 5)]])(
    '%j arrives whole and in order',
    async (sizes) => {
      const total = sizes.reduce((a, b) => a + b, 0);
      const seen = await fed(sizes);
      expect(Buffer.concat(seen)).toEqual(Buffer.from(Array.from({ length: total }, (_, i) => i % 251)));
      expect(seen.slice(0, -1).every((b) => b.length === 8)).toBe(true);
    },
  );
  it('rejects when the sink fails', async () => {
    const sink = new Writable({
      write(_chunk, _encoding, done) {
        setImmediate(() => done(new Error('sink')));
      },
    }).on('error', () => undefined);
    await expect(feed(chunks(Array.from({ length: 100 }, () => 8)), sink, 8)).rejects.toThrow('sink');
  });
  it('rejects when the source fails', async () => {
    const sink = new Writable({ write: (_c, _e, done) => done() });
    await expect(feed(broken(), sink, 8)).rejects.toThrow('source');
  });
});
