// SPDX-License-Identifier: Apache-2.0
// Says where a live object differs from what we want of it, and builds the smallest merge patch that mends it.
import { quantityNanos } from '../api/quantities.ts';

/**
 * Paths whose maps hold nothing but our keys: an extra key changes what the object does, so it counts as drift. `a.**`
 * closes `a` and everything in it, lists included. A map that we want empty is closed in any case.
 */
export type Closed = readonly string[];

const isClosed = (closed: Closed, path: string, desired: object): boolean =>
  Object.keys(desired).length === 0 ||
  closed.some((c) => c === path || (c.endsWith('.**') && within(c.slice(0, -3), path)));

const within = (root: string, path: string): boolean =>
  path === root || path.startsWith(`${root}.`) || path.startsWith(`${root}[`);

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);

/** The server leaves out false, 0, "" and empty collections: wanting one of these is the same as wanting nothing. */
const isEmpty = (v: unknown): boolean =>
  v === undefined ||
  v === null ||
  v === false ||
  v === 0 ||
  v === '' ||
  (Array.isArray(v) && v.length === 0) ||
  (isObject(v) && Object.values(v).every(isEmpty));

/** The server rewrites quantities (`0.1` becomes `100m`, `1024Mi` becomes `1Gi`). */
function sameQuantity(a: unknown, b: unknown): boolean {
  const value = quantityNanos(String(a));
  return value !== undefined && value === quantityNanos(String(b));
}

function sameLeaf(path: string, desired: unknown, live: unknown): boolean {
  if (desired === live) return true;
  return /\.(requests|limits|sizeLimit)(\.|$)/.test(path) && sameQuantity(desired, live);
}

/** Path of the first difference, or undefined: what we want is there, lists are as long as ours, closed maps hold no more. */
export function drift(desired: unknown, live: unknown, closed: Closed = [], path = ''): string | undefined {
  const below = (key: string): string => (path === '' ? key : `${path}.${key}`);
  if (isObject(desired) && isObject(live)) {
    for (const [key, value] of Object.entries(desired)) {
      const found = drift(value, live[key], closed, below(key));
      if (found !== undefined) return found;
    }
    // Even an empty one counts: in a network policy an empty selector means everything.
    const extra = isClosed(closed, path, desired) ? Object.keys(live).find((key) => !(key in desired)) : undefined;
    return extra === undefined ? undefined : below(extra);
  }
  if (isEmpty(desired) && isEmpty(live)) return undefined;
  if (Array.isArray(desired)) {
    if (!Array.isArray(live) || live.length !== desired.length) return path;
    for (const [i, item] of desired.entries()) {
      const found = drift(item, live[i], closed, `${path}[${i}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return !isObject(desired) && sameLeaf(path, desired, live) ? undefined : path;
}

/** Path of the first thing that we want and that is not there at all, in any form. */
export function absence(desired: unknown, live: unknown, path = ''): string | undefined {
  if (isEmpty(desired)) return undefined;
  if (live === undefined || live === null) return path;
  const list = Array.isArray(desired);
  if (!list && !isObject(desired)) return undefined;
  for (const [key, value] of Object.entries(desired)) {
    const at = list ? `[${key}]` : path === '' ? key : `.${key}`;
    const found = absence(value, (live as Record<string, unknown>)[key], `${path}${at}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * JSON merge patch from live to desired: only what differs, lists whole, foreign keys of closed maps removed. Fields
 * that we do not ask for stay as they are.
 */
export function repair(desired: unknown, live: unknown, closed: Closed = [], path = ''): unknown {
  if (!isObject(desired) || !isObject(live)) return isEmpty(desired) && !isEmpty(live) ? null : desired;
  const patch: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(desired)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (drift(value, live[key], closed, at) !== undefined) patch[key] = repair(value, live[key], closed, at);
  }
  if (isClosed(closed, path, desired)) for (const key of Object.keys(live)) if (!(key in desired)) patch[key] = null;
  return patch;
}
