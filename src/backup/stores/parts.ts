// SPDX-License-Identifier: Apache-2.0
// Cuts a stream into parts and sends several at once from a few reused buffers: memory does not grow with the stream.
import type { Readable } from 'node:stream';

const MIB = 2 ** 20;
/** S3 allows 10,000; the margin covers a database that grows while it is read. */
const PLANNED_PARTS = 9_000;
const MIN_PART_BYTES = 8 * MIB;

/**
 * Bytes of every part but the last: all alike, as some stores demand, and so large that `expectedBytes` (an upper
 * estimate; 0 if unknown) fits the number of parts that a store allows.
 */
export function partBytes(expectedBytes: number): number {
  return Math.max(MIN_PART_BYTES, Math.ceil(expectedBytes / PLANNED_PARTS / MIB) * MIB);
}

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly data: Buffer;
  /** The stream ended with it and it is the first: it may be sent whole. */
  readonly only: boolean;
}

/**
 * Calls `send` for each part, at most `buffers` at once; a part's buffer is reused as soon as `send` has settled. On the
 * first failure the signal of every `send` is aborted and the stream destroyed; rejects with that failure once every
 * `send` has settled. An empty stream is one empty part. Resolves to the number of bytes.
 */
export async function sendParts(
  body: Readable,
  o: { readonly bytes: number; readonly buffers: number },
  send: (part: Part, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const free: Buffer[] = [];
  const flying = new Set<Promise<void>>();
  const stop = new AbortController();
  let allocated = 0;
  let failure: { error: unknown } | undefined;
  let [number, filled, total] = [0, 0, 0];
  let current: Buffer | undefined;

  const fail = (error: unknown): void => {
    failure ??= { error };
    stop.abort(error);
    body.destroy(error instanceof Error ? error : new Error(String(error)));
  };
  const acquire = async (): Promise<Buffer> => {
    while (free.length === 0 && allocated >= o.buffers) await Promise.race(flying);
    if (failure !== undefined) throw failure.error;
    const reused = free.pop();
    if (reused === undefined) allocated += 1;
    return reused ?? Buffer.allocUnsafeSlow(o.bytes);
  };
  const launch = (buffer: Buffer, length: number, last: boolean): void => {
    number += 1;
    const part = { number, data: buffer.subarray(0, length), only: last && number === 1 };
    const sending = send(part, stop.signal)
      .catch(fail)
      .finally(() => {
        flying.delete(sending);
        free.push(buffer);
      });
    flying.add(sending);
  };

  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      let at = 0;
      while (at < chunk.length) {
        // A full part leaves only when more follows, so that the last one is known to be the last.
        if (current !== undefined && filled === o.bytes) {
          launch(current, filled, false);
          current = undefined;
        }
        if (current === undefined) [current, filled] = [await acquire(), 0];
        const copied = chunk.copy(current, filled, at);
        [filled, at, total] = [filled + copied, at + copied, total + copied];
      }
    }
    if (failure === undefined) launch(current ?? Buffer.alloc(0), filled, true);
  } catch (error) {
    fail(error);
  }
  while (flying.size > 0) await Promise.allSettled(flying);
  if (failure !== undefined) throw failure.error;
  return total;
}
