// SPDX-License-Identifier: Apache-2.0
// Decides who may take the Lease, by what was seen of it and when by our own monotonic clock. No I/O, nobody else's clock.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Lease } from './resources.ts';

export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** How long others wait for us; default 15,000 ms. */
  readonly durationMs?: number;
  /** How long we write without a renewal; must be below the duration; default 10,000 ms. */
  readonly renewDeadlineMs?: number;
  /** Between attempts; must be below the renew deadline; default 3,000 ms. */
  readonly retryMs?: number;
}

export function completeLease(o: LeaseOptions): Required<LeaseOptions> {
  const lease = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 3_000, ...o };
  if (lease.retryMs >= lease.renewDeadlineMs || lease.renewDeadlineMs >= lease.durationMs)
    throw new RangeError('a lease needs: time between attempts < renew deadline < duration');
  return lease;
}

/** Under which a process holds the Lease: two with the same would both lead. In containers every process has the same number. */
export const identityOf = (pod: string | undefined): string =>
  pod === undefined || pod === '' ? `${hostname()}-${randomBytes(4).toString('hex')}` : pod;

/** Another holder's record, and when we first saw it as it is. */
export interface Sighting {
  readonly record: string;
  /** How long it has to stand still before its holder counts as gone, in milliseconds. */
  readonly durationMs: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export type Election = 'create' | 'renew' | 'take' | 'wait';

/** A holder whose Lease names a longer time than this is not waited for longer; an edited Lease must not stop us for good. */
const MAX_DURATION_MS = 120_000;

/** What to remember after the Lease was read: the last record of another holder, also after it vanished. */
export function sight(
  lease: Lease | undefined,
  seen: Sighting | undefined,
  o: { readonly identity: string; readonly durationMs: number; readonly now: number },
): Sighting | undefined {
  if (lease === undefined) return seen;
  const holder = lease.spec?.holderIdentity ?? '';
  if (holder === '' || holder === o.identity) return undefined;
  const record = JSON.stringify([lease.spec, lease.metadata.uid]);
  if (seen?.record === record) return seen;
  const asked = (lease.spec?.leaseDurationSeconds ?? 0) * 1000;
  return { record, durationMs: Math.max(o.durationMs, Math.min(asked, MAX_DURATION_MS)), at: o.now };
}

/**
 * What to do about the Lease as it was read; `seen` is what `sight` made of it. Another holder counts as gone only after its
 * record stood still for the whole duration; a Lease that vanished says nothing about its holder, who may still write.
 */
export function decide(lease: Lease | undefined, identity: string, seen: Sighting | undefined, now: number): Election {
  if (lease?.spec?.holderIdentity === identity) return 'renew';
  if (seen !== undefined && now - seen.at <= seen.durationMs) return 'wait';
  return lease === undefined ? 'create' : 'take';
}

/** RFC 3339 with the six digits that a MicroTime needs. */
export const microTime = (d: Date): string => d.toISOString().replace('Z', '000Z');

/** The spec to write for each kind of election but `wait`. */
export function leaseSpec(
  lease: Lease | undefined,
  election: Election,
  o: { readonly identity: string; readonly durationMs: number; readonly now: Date },
): NonNullable<Lease['spec']> {
  const now = microTime(o.now);
  return {
    ...lease?.spec,
    holderIdentity: o.identity,
    leaseDurationSeconds: Math.ceil(o.durationMs / 1000),
    acquireTime: election === 'renew' ? (lease?.spec?.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (election === 'take' ? 1 : 0),
  };
}
