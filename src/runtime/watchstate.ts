// SPDX-License-Identifier: Apache-2.0
// Decides what a reflector does next: go on watching, list anew, by which kind of list, and how long to wait. No I/O.
import type { KubeError } from './errors.ts';

/** Where a reflector stands. */
export interface Position {
  /** Where to go on watching; undefined means list first. */
  readonly version: string | undefined;
  /** Lists that are still to be read page by page, because the server did not stream one; 0: ask for a stream. */
  readonly paged: number;
  /** Passes in a row that call for a pause. */
  readonly failures: number;
  /** Passes in a row that the server ended at once. */
  readonly fast: number;
}

export const START: Position = { version: undefined, paged: 0, failures: 0, fast: 0 };

/** How one list-and-watch ended; without an error: the server closed it in the ordinary way. */
export interface Ending {
  readonly lastedMs: number;
  /** The watch was opened: if it ended with a Timeout, then because it was silent. */
  readonly opened: boolean;
  /** Since the last complete list. */
  readonly listAgeMs: number;
  /** The version reached; undefined when it is not to be trusted. */
  readonly version: string | undefined;
  readonly error?: KubeError;
}

/** A watch that ends sooner than this was refused in a polite way; after a few of those the version is not trusted. */
const FAST_MS = 1_000;
const FAST_LIMIT = 3;
/** A watch that lived this long was a good one: the next failure is a first failure again. */
const HEALTHY_MS = 5_000;
/**
 * A list this old is made anew when its watch ends: a deletion that was swallowed on the way would never be noticed
 * otherwise. Watches end at random times, so the lists of several kinds do not meet. As a stream it costs no more than a watch.
 */
const RELIST_MS = 600_000;
/** About an hour, after which a stream is asked for again: the server may be another one by then. */
const PAGED_LISTS = 6;

/** Pure: the position to go on from. A pause is due when `failures` is not 0. */
export function afterPass(p: Position, e: Ending): Position {
  const fast = e.lastedMs < FAST_MS;
  const earlier = e.lastedMs >= HEALTHY_MS ? 0 : p.failures;
  const failures = e.error !== undefined || fast ? earlier + 1 : 0;
  // Nobody answered: that says nothing about the version.
  const answered = e.error === undefined || e.error.status !== undefined;
  let fastEnds = p.fast;
  if (!fast) fastEnds = 0;
  else if (answered) fastEnds += 1;
  if (fastEnds >= FAST_LIMIT) return { version: undefined, paged: p.paged, failures, fast: 0 };
  const silent = isOf(e.error, 'Timeout') && (e.opened || answered);
  const doubtful = silent || isOf(e.error, 'Gone', 'Invalid', 'Unknown') || e.listAgeMs >= RELIST_MS;
  return { version: doubtful ? undefined : e.version, paged: pagedAfter(p, e), failures, fast: fastEnds };
}

/** A server without streaming lists refuses `sendInitialEvents`, or is silent where the end of the list should be. */
function pagedAfter(p: Position, e: Ending): number {
  if (p.version !== undefined) return p.paged;
  if (e.version !== undefined) return Math.max(0, p.paged - 1);
  const refused = isOf(e.error, 'Invalid') || (isOf(e.error, 'Timeout') && e.opened);
  return refused ? PAGED_LISTS : p.paged;
}

const isOf = (e: KubeError | undefined, ...codes: KubeError['code'][]): boolean =>
  e !== undefined && codes.includes(e.code);

/** Complete lists in a row that may be refused for being older than what was seen. */
const STALE_LIMIT = 8;

export type ListVerdict = 'take' | 'refuse' | 'reset';

/**
 * Pure: whether a complete list may be believed. An older one than what was seen comes from a server that lags, and would
 * bring the dead back; but when nothing else is to be had, the API server itself was set back and the cache starts anew.
 */
export function judgeList(version: string, newest: string | undefined, refusals: number): ListVerdict {
  if (newest === undefined || !isOlder(version, newest)) return 'take';
  return refusals < STALE_LIMIT ? 'refuse' : 'reset';
}

/** Versions are decimal numbers without leading zeros, beyond 2^53. Anything else is not comparable, hence not older. */
export function isOlder(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined || !/^\d+$/.test(a) || !/^\d+$/.test(b)) return false;
  return a.length === b.length ? a < b : a.length < b.length;
}
