// SPDX-License-Identifier: Apache-2.0
// Waiting with an end: every wait of the runtime has a deadline and can be given up.
import { KubeError } from './errors.ts';

/** Timers take no more than this; waking up earlier is harmless, waking up at once would be a hot loop. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs with a signal that fires with the outer one or after `ms`; then reason is KubeError `Timeout`. Leaves neither timer
 * nor listener behind.
 */
export async function within<T>(
  ms: number,
  outer: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const pass = (): void => own.abort(outer?.reason);
  const timer = setTimeout(
    () => own.abort(new KubeError('Timeout', `no answer within ${Math.round(ms)} ms`)),
    Math.min(ms, MAX_TIMER_MS),
  );
  outer?.addEventListener('abort', pass, { once: true });
  if (outer?.aborted === true) pass();
  try {
    return await run(own.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', pass);
  }
}

/**
 * The promise, or the signal's reason as soon as that fires: for work that is deaf to its signal for a while. What that comes
 * to afterwards is dropped.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Rejects with a Timeout as soon as the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new KubeError('Timeout', 'the deadline passed while waiting'));
    };
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', stop);
        resolve();
      },
      Math.min(ms, MAX_TIMER_MS),
    );
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
