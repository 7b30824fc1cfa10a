// SPDX-License-Identifier: Apache-2.0
// Decides whether status tells that a pass fails, or whether it will probably pass by itself.
import type { ReconcileContext } from './controller.ts';
import { KubeError } from './errors.ts';

/** The API server will not do it, however often it is asked: told at once with what was tried. */
export const isRefused = ({ code }: KubeError): boolean => code === 'Forbidden' || code === 'Invalid';

/** An API server that restarts is back by then, and nobody should be called for it. */
const LASTING_MS = 15_000;
/** Somebody else was faster, which is ordinary; but not for that long. */
const CONFLICTING_MS = 60_000;

/** How long the passes of this object have failed in a row; undefined: the one before did not. */
export const failingMs = ({ failingSince }: Pick<ReconcileContext, 'failingSince'>): number | undefined =>
  failingSince === undefined ? undefined : performance.now() - failingSince;

/** `forMs`: since the first of the passes failed that failed in a row; undefined: this one is the first. */
export function isLasting(error: unknown, forMs: number | undefined): boolean {
  const conflict = error instanceof KubeError && error.class === 'conflict';
  return forMs !== undefined && forMs >= (conflict ? CONFLICTING_MS : LASTING_MS);
}
