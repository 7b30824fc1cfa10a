// SPDX-License-Identifier: Apache-2.0
// Verifies a snapshot as it passes: etcd appends the SHA-256 of everything before it, and the pages before it are whole.
import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { EtcdError } from './errors.ts';

const TRAILER_BYTES = 32;

/** A database file is whole 512-byte sectors, so a snapshot whose length is not such a multiple plus 32 has no trailer. */
const SECTOR_BYTES = 512;

/**
 * Passes the bytes through unchanged, trailer included, in constant memory, and fails with EtcdError `DataCorrupt` at
 * the end if the trailer is missing or wrong. `ok`, `sha256` and `size` hold once the stream has ended.
 */
export class SnapshotVerifier extends Transform {
  readonly #hash = createHash('sha256');
  /** The last 32 bytes seen: not hashed, because they may be the trailer. */
  #tail: Buffer = Buffer.alloc(0);
  #size = 0;
  #ok = false;
  #sha256: string | undefined;

  /** True only after the whole snapshot has passed and its trailer was right. */
  get ok(): boolean {
    return this.#ok;
  }

  /** SHA-256 of the database (without the trailer), hexadecimal; undefined until the end. */
  get sha256(): string | undefined {
    return this.#sha256;
  }

  /** Bytes passed so far, trailer included. */
  get size(): number {
    return this.#size;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    if (chunk.length >= TRAILER_BYTES) {
      this.#hash.update(this.#tail);
      this.#hash.update(chunk.subarray(0, chunk.length - TRAILER_BYTES));
      // A copy, because a consumer further down may reuse or transfer the chunk.
      this.#tail = Buffer.from(chunk.subarray(chunk.length - TRAILER_BYTES));
    } else {
      const joined = Buffer.concat([this.#tail, chunk]);
      const cut = Math.max(0, joined.length - TRAILER_BYTES);
      this.#hash.update(joined.subarray(0, cut));
      this.#tail = joined.subarray(cut);
    }
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const digest = this.#hash.digest();
    this.#sha256 = digest.toString('hex');
    const problem = this.#problem(digest);
    this.#ok = problem === undefined;
    done(problem === undefined ? null : new EtcdError('DataCorrupt', problem));
  }

  #problem(digest: Buffer): string | undefined {
    if (this.#size <= TRAILER_BYTES || this.#size % SECTOR_BYTES !== TRAILER_BYTES) {
      return `the snapshot has no checksum at its end: ${this.#size} bytes are not whole sectors and 32 bytes`;
    }
    return digest.equals(this.#tail) ? undefined : 'the snapshot does not match the checksum at its end';
  }
}
