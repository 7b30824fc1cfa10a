// SPDX-License-Identifier: Apache-2.0
// Feeds a compressor in large batches from a few reused buffers, so that it works while the next batch is read.
import type { Writable } from 'node:stream';

/** A member sends 32 KiB at a time; a hand-over to the compressor's thread for each of them would cost more than the work. */
const BATCH_BYTES = 2 ** 20;
const BATCHES = 3;

/** Writes everything and ends the sink. Rejects when either side fails; the caller destroys both. */
export async function feed(source: AsyncIterable<Buffer>, sink: Writable, batchBytes = BATCH_BYTES): Promise<void> {
  const free: Buffer[] = Array.from({ length: BATCHES }, () => Buffer.allocUnsafeSlow(batchBytes));
  let current: Buffer = free.pop() as Buffer;
  let filled = 0;
  const state: { failed?: Error } = {};
  let wake: (() => void) | undefined;
  // The callback of a write says that its bytes are consumed: the buffer is ours again.
  const write = (buffer: Buffer, length: number): void => {
    sink.write(buffer.subarray(0, length), (error) => {
      if (error) state.failed ??= error;
      free.push(buffer);
      wake?.();
    });
  };
  const next = async (): Promise<Buffer> => {
    while (free.length === 0 && state.failed === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (state.failed !== undefined) throw state.failed;
    return free.pop() as Buffer;
  };
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(current, filled, at);
      at += copied;
      filled += copied;
      if (filled < current.length) continue;
      write(current, filled);
      current = await next();
      filled = 0;
    }
  }
  if (filled > 0) write(current, filled);
  sink.end();
}
