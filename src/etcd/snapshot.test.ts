// SPDX-License-Identifier: Apache-2.0
// The snapshot verifier: whatever way the bytes are cut, only a whole snapshot passes.
import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { array, assert, asyncProperty, integer, nat } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SnapshotVerifier } from './snapshot.ts';

const SECTOR = 512;

function snapshotOf(sectors: number, fill = 7): Buffer {
  const db = Buffer.alloc(sectors * SECTOR, fill);
  return Buffer.concat([db, createHash('sha256').update(db).digest()]);
}

/** Cuts the bytes into pieces of the given lengths, repeated. */
function pieces(bytes: Buffer, lengths: number[]): Buffer[] {
  const result: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const end = at + (lengths[i % lengths.length] ?? bytes.length);
    result.push(bytes.subarray(at, end));
    at = end;
  }
  return result;
}

async function verify(bytes: Buffer, lengths: number[]) {
  const verifier = new SnapshotVerifier();
  const out: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      out.push(chunk);
      done();
    },
  });
  const error = await pipeline(Readable.from(pieces(bytes, lengths)), verifier, sink).then(
    () => undefined,
    (e: unknown) => e,
  );
  return { verifier, error, passed: Buffer.concat(out) };
}

const lengths = array(integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 });

describe('SnapshotVerifier', () => {
  it('accepts a whole snapshot in pieces of any size, and passes every byte on', async () => {
    await assert(
      asyncProperty(integer({ min: 1, max: 6 }), lengths, async (sectors, cuts) => {
        const bytes = snapshotOf(sectors);
        const { verifier, error, passed } = await verify(bytes, cuts);
        expect(error).toBeUndefined();
        expect(passed.equals(bytes)).toBe(true);
        const sha256 = bytes.subarray(-32).toString('hex');
        expect(verifier).toMatchObject({ ok: true, sha256, size: bytes.length });
      }),
    );
  });

  it('refuses a snapshot with any one bit changed', async () => {
    await assert(
      asyncProperty(nat(SECTOR * 2 + 31), nat(7), lengths, async (at, bit, cuts) => {
        const bytes = snapshotOf(2);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        const { verifier, error } = await verify(bytes, cuts);
        expect(error).toMatchObject({ name: 'EtcdError', code: 'DataCorrupt', class: 'terminal' });
        expect(verifier.ok).toBe(false);
      }),
    );
  });

  it('refuses a snapshot cut anywhere, even where the sizes fit', async () => {
    await assert(
      asyncProperty(nat(SECTOR * 3 + 31), lengths, async (end, cuts) => {
        const { error } = await verify(snapshotOf(3).subarray(0, end), cuts);
        expect(error).toMatchObject({ code: 'DataCorrupt' });
      }),
    );
  });
});
