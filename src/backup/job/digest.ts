// SPDX-License-Identifier: Apache-2.0
// Passes bytes through and keeps their SHA-256 and their number.
import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';

export class Digest extends Transform {
  readonly #hash = createHash('sha256');
  #size = 0;
  #sha256 = '';

  constructor() {
    super({ highWaterMark: 2 ** 20 });
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** Hexadecimal; empty until the end. */
  get sha256(): string {
    return this.#sha256;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.#sha256 = this.#hash.digest('hex');
    done();
  }
}
