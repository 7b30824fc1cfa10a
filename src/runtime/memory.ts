// SPDX-License-Identifier: Apache-2.0
// Gives memory back while the process goes on: garbage of the heap holds native memory that V8 does not count.

const EVERY_MS = 10_000;
/** Less growth than this since the last collection is not worth the next one. */
const GROWTH_BYTES = 2e6;
/** What a process may hold beyond what it needs: to give it back costs more than a regular collection, and the code has to be made anew. */
const SLACK_BYTES = 3.5e6;
/** Where a collection gives back as much, much was going on, and more of it will be garbage soon. */
const MUCH_BYTES = 8e6;
/** A process that worked for more than this part of the time has more urgent things to do, until it has grown by this much. */
const BUSY = 0.1;
const URGENT_BYTES = 128e6;

/**
 * Collects garbage when the process has grown by 2 MB, which it looks at every ten seconds: a closed HTTP/2 stream keeps
 * 20 KB outside of the heap until its object is collected, which V8 alone does after thousands of them. Once it holds
 * 3.5 MB more than it needs, everything that can be spared is given back, also compiled code: that takes long, and what runs
 * next has to make the code anew. A busy process collects once it has grown by 128 MB, and never thoroughly: where many
 * others want the processors too, it would stand still for seconds, and lose the Lease. Does nothing unless Node runs with
 * `--expose-gc`.
 */
export function collectGarbage(signal: AbortSignal): void {
  const { gc } = globalThis;
  if (gc === undefined || signal.aborted) return;
  /** What the process needs at least, in bytes; 0 while that is not known, and a thorough collection is to tell. */
  let least = 0;
  /** The least that it has held since the last collection. */
  let last = process.memoryUsage.rss();
  let worked = performance.eventLoopUtilization();
  const look = (): void => {
    const earlier = worked;
    worked = performance.eventLoopUtilization();
    const busy = performance.eventLoopUtilization(worked, earlier).utilization > BUSY;
    const before = process.memoryUsage.rss();
    [least, last] = [Math.min(least, before), Math.min(last, before)];
    const grown = busy ? URGENT_BYTES : least === 0 ? 0 : GROWTH_BYTES;
    const thorough = !busy && before > least + SLACK_BYTES;
    if (!thorough && before < last + grown) return;
    gc({ type: 'major', execution: 'sync', flavor: thorough ? 'last-resort' : 'regular' });
    const after = process.memoryUsage.rss();
    least = thorough ? (before - after > MUCH_BYTES ? 0 : after) : Math.min(least, after);
    last = after;
  };
  const timer = setInterval(look, EVERY_MS).unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
