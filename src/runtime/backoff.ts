// SPDX-License-Identifier: Apache-2.0
// How long to wait after failures.

export interface Backoff {
  /** First and longest wait, in milliseconds. */
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Exponential with jitter: between half and the whole of first × 2^failures, never above max. */
export function backoffMs(failures: number, o: Backoff, random: () => number): number {
  const full = Math.min(o.firstMs * 2 ** Math.min(failures, 30), o.maxMs);
  return full * (0.5 + random() / 2);
}
