// SPDX-License-Identifier: Apache-2.0
// Gives memory back while the process goes on: garbage of the heap holds native memory that V8 does not count.

const EVERY_MS = 20_000;
/** At most this part of the time is spent on it, however large the heap is. */
const SHARE = 0.002;

/**
 * Collects all garbage every twenty seconds, or more rarely when a collection takes longer than 40 ms. A closed HTTP/2
 * stream keeps 20 KB outside of the heap until its object is collected, which V8 alone does after thousands of them.
 * Does nothing unless Node runs with `--expose-gc`.
 */
export function collectGarbage(signal: AbortSignal): void {
  const { gc } = globalThis;
  if (gc === undefined || signal.aborted) return;
  let timer: NodeJS.Timeout;
  const schedule = (ms: number): void => {
    timer = setTimeout(collect, ms).unref();
  };
  const collect = (): void => {
    const began = performance.now();
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    schedule(Math.max(EVERY_MS, (performance.now() - began) / SHARE));
  };
  schedule(EVERY_MS);
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}
