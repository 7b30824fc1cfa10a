// SPDX-License-Identifier: Apache-2.0
// Gives memory back while the process goes on: garbage of the heap holds native memory that V8 does not count.

const EVERY_MS = 20_000;
/** At most this part of the time is spent on it, however large the heap is. */
const SHARE = 0.0015;
const SLACK_BYTES = 4e6;

/**
 * Collects garbage every twenty seconds, or more rarely when a collection takes longer than 30 ms: a closed HTTP/2 stream
 * keeps 20 KB outside of the heap until its object is collected, which V8 alone does after thousands of them. Once the
 * process has grown by 4 MB everything that can be spared is given back, also compiled code, which what runs next has to
 * make anew. Does nothing unless Node runs with `--expose-gc`.
 */
export function collectGarbage(signal: AbortSignal): void {
  const { gc } = globalThis;
  if (gc === undefined || signal.aborted) return;
  let timer: NodeJS.Timeout;
  /** What the process needs at least, in bytes; 0 while that is not known. */
  let least = 0;
  const schedule = (ms: number): void => {
    timer = setTimeout(collect, ms).unref();
  };
  const collect = (): void => {
    const began = performance.now();
    const before = process.memoryUsage.rss();
    const thorough = before > least + SLACK_BYTES;
    gc({ type: 'major', execution: 'sync', flavor: thorough ? 'last-resort' : 'regular' });
    const after = process.memoryUsage.rss();
    // Where much was given back much was going on, and more of it will be garbage soon.
    least = thorough ? (before - after > SLACK_BYTES ? 0 : after) : Math.min(least, after);
    schedule(Math.max(EVERY_MS, (performance.now() - began) / SHARE));
  };
  schedule(EVERY_MS);
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}
