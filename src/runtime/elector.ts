// SPDX-License-Identifier: Apache-2.0
// Leader election on a Lease. Only the local monotonic clock decides: after our own deadline nothing is written any more.
import type { Logger } from '../telemetry/log.ts';
import type { KubeClient } from './client.ts';
import { pause } from './client.ts';
import { KubeError } from './errors.ts';
import { type Lease, leases } from './resources.ts';

export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** How long others wait for us; default 15,000 ms. */
  readonly durationMs?: number;
  /** How long we write without a renewal; must be well below the duration; default 10,000 ms. */
  readonly renewDeadlineMs?: number;
  /** Between attempts; default 2,000 ms. */
  readonly retryMs?: number;
}

/** What we saw of the Lease, and when by our own clock we saw it change. */
export interface Sighting {
  readonly record: string;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export type Election = 'create' | 'renew' | 'take' | 'wait';

const recordOf = (lease: Lease | undefined): string => JSON.stringify([lease?.spec, lease?.metadata.uid]);

/** Pure: what to do about the Lease as it was read. Another holder counts as gone only after its record stood still for the whole duration. */
export function decide(lease: Lease | undefined, identity: string, seen: Sighting | undefined, now: number): Election {
  if (lease === undefined) return 'create';
  const holder = lease.spec?.holderIdentity ?? '';
  if (holder === identity) return 'renew';
  if (holder === '') return 'take';
  const duration = (lease.spec?.leaseDurationSeconds ?? 15) * 1000;
  const still = seen !== undefined && seen.record === recordOf(lease) ? now - seen.at : 0;
  return still > duration ? 'take' : 'wait';
}

/** RFC 3339 with the six digits that a MicroTime needs. */
const microTime = (d: Date): string => d.toISOString().replace('Z', '000Z');

export class Elector {
  readonly #client: KubeClient;
  readonly #o: Required<LeaseOptions>;
  readonly #identity: string;
  readonly #log: Logger;
  #seen: Sighting | undefined;
  /** Monotonic time after which this process writes nothing. */
  #deadline = Number.NEGATIVE_INFINITY;

  constructor(o: { client: KubeClient; lease: LeaseOptions; identity: string; log: Logger }) {
    this.#client = o.client;
    this.#o = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000, ...o.lease };
    this.#identity = o.identity;
    this.#log = o.log;
  }

  get leading(): boolean {
    return performance.now() < this.#deadline;
  }

  /** Throws `Fenced` unless the lease is surely ours. */
  check(): void {
    if (!this.leading) throw new KubeError('Fenced', 'leadership is not held: nothing is written');
  }

  /** Resolves when leading. */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#attempt(signal)) return;
      await pause(this.#o.retryMs * (0.8 + Math.random() * 0.4), signal).catch(() => undefined);
    }
  }

  /** Renews until the signal fires; throws KubeError `Fenced` when the deadline passed without a renewal. */
  async hold(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#o.retryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.#attempt(signal);
      this.check();
    }
  }

  /** Gives the lease back, so that the next leader need not wait. */
  async release(): Promise<void> {
    if (!this.leading) return;
    try {
      const { namespace, name } = this.#o;
      const lease = await this.#client.get(leases, { namespace, name }, { timeoutMs: 3_000 });
      if (lease.spec?.holderIdentity !== this.#identity) return;
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(new Date()) };
      await this.#client.update(leases, { ...lease, spec }, { timeoutMs: 3_000 });
    } catch (e) {
      this.#log.warn({ err: String(e) }, 'the lease could not be released; the next leader waits for it to expire');
    } finally {
      this.#deadline = Number.NEGATIVE_INFINITY;
    }
  }

  /** One try; true when the lease is ours now. The deadline counts from before the request was sent. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    const started = performance.now();
    const { namespace, name } = this.#o;
    const call = { signal, timeoutMs: Math.max(1_000, this.#o.renewDeadlineMs / 2) };
    try {
      const lease = await this.#client.find(leases, { namespace, name }, call);
      const election = decide(lease, this.#identity, this.#seen, started);
      if (this.#seen?.record !== recordOf(lease)) this.#seen = { record: recordOf(lease), at: started };
      if (election === 'wait') {
        // Somebody else holds it: whatever deadline we still had is void.
        this.#deadline = Number.NEGATIVE_INFINITY;
        return false;
      }
      await this.#write(lease, election, call);
      this.#deadline = started + this.#o.renewDeadlineMs;
      return true;
    } catch (e) {
      this.#log.warn({ err: e instanceof Error ? e.message : String(e) }, 'the lease could not be read or renewed');
      return false;
    }
  }

  async #write(
    lease: Lease | undefined,
    election: Election,
    call: { signal: AbortSignal; timeoutMs: number },
  ): Promise<void> {
    const now = microTime(new Date());
    const spec = {
      holderIdentity: this.#identity,
      leaseDurationSeconds: Math.ceil(this.#o.durationMs / 1000),
      acquireTime: election === 'renew' ? lease?.spec?.acquireTime : now,
      renewTime: now,
      leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (election === 'take' ? 1 : 0),
    } as NonNullable<Lease['spec']>;
    const { namespace, name } = this.#o;
    if (lease === undefined) await this.#client.create(leases, { metadata: { namespace, name }, spec }, call);
    else await this.#client.update(leases, { ...lease, spec }, call);
  }
}
