// SPDX-License-Identifier: Apache-2.0
// Steps that cannot be done in one pass, and what is said of them.
import { KubeError } from '../runtime/errors.ts';
import { isLasting, isRefused } from '../runtime/failing.ts';
import type { IsHeld } from './plan.ts';
import { refusalOf } from './refusals.ts';
import type { Finding, Step } from './rules/rule.ts';

/** A step that cannot be done in this pass: it was refused, failed, or is undone at once. */
export interface Held {
  readonly step: Step;
  /** Absent where it will probably pass by itself. */
  readonly finding?: Finding | undefined;
  readonly error?: unknown;
}

export const heldBy =
  (held: readonly Held[]): IsHeld =>
  ({ message }) =>
    held.some((h) => h.step.message === message);

export const failureAmong = (held: readonly Held[]): unknown => held.find((h) => h.error !== undefined)?.error;

/** The API server is there, and asking it for something else costs no deadline. */
export const isAnswered = (error: unknown): boolean =>
  error instanceof KubeError && (isRefused(error) || (error.status !== undefined && !isConflict(error)));

export const isConflict = (error: unknown): boolean => error instanceof KubeError && error.class === 'conflict';

/** Somebody changes it back at once, as an admission policy does. */
export const undone = (what: string): Finding => ({
  kind: 'blocked',
  reason: 'Undone',
  message: `${what}: done, and undone at once by somebody, such as an admission policy`,
});

/** What a write that was refused, or goes on failing, has to say; undefined while it will probably pass by itself. */
export function failureOf(step: Step, error: unknown, forMs: number | undefined): Finding | undefined {
  if (!(error instanceof KubeError) || error.code === 'Fenced') return undefined;
  const refused = isRefused(error);
  if (!refused && !isLasting(error, forMs)) return undefined;
  const why = `${step.message}: ${error.message}`;
  return refused ? refusal(error, why) : { kind: 'blocked', reason: 'ReconcileFailed', message: why };
}

export function refusal(error: Pick<KubeError, 'code' | 'message'>, what: string): Finding {
  const { reason, remedy } = refusalOf(error);
  return { kind: 'blocked', reason, message: `${what}; ${remedy}` };
}
