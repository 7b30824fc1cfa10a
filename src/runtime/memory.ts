// SPDX-License-Identifier: Apache-2.0
// Gives memory back while the process goes on: garbage of the heap holds native memory that V8 does not count.

const EVERY_MS = 20_000;
/** Less growth than this since the last collection is not worth the next one. */
const GROWTH_BYTES = 1e6;
/** At most this part of the time is spent on it, however large the heap is. */
const SHARE = 0.0015;
const SLACK_BYTES = 4e6;

/**
 * Collects garbage when the process has grown by a megabyte, which it looks at every twenty seconds, or more rarely when a
 * collection takes longer than 30 ms: a closed HTTP/2 stream keeps 20 KB outside of the heap until its object is collected,
 * which V8 alone does after thousands of them. Once it has grown by 4 MB everything that can be spared is given back, also
 * compiled code, which what runs next has to make anew. Does nothing unless Node runs with `--expose-gc`.
 */
export function collectGarbage(signal: AbortSignal): void {
  const { gc } = globalThis;
  if (gc === undefined || signal.aborted) return;
  let timer: NodeJS.Timeout;
  /** What the process needs at least, and since the last collection, in bytes; 0 while that is not known. */
  let [least, last] = [0, 0];
  const schedule = (ms: number): void => {
    timer = setTimeout(collect, ms).unref();
  };
  const collect = (): void => {
    const began = performance.now();
    const before = process.memoryUsage.rss();
    [least, last] = [Math.min(least, before), Math.min(last, before)];
    if (before < last + GROWTH_BYTES) return schedule(EVERY_MS);
    const thorough = before > least + SLACK_BYTES;
    gc({ type: 'major', execution: 'sync', flavor: thorough ? 'last-resort' : 'regular' });
    const after = process.memoryUsage.rss();
    // Where much was given back much was going on, and more of it will be garbage soon.
    least = thorough ? (before - after > SLACK_BYTES ? 0 : after) : Math.min(least, after);
    last = least === 0 ? 0 : after;
    schedule(Math.max(EVERY_MS, (performance.now() - began) / SHARE));
  };
  schedule(EVERY_MS);
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}
