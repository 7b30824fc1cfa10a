// SPDX-License-Identifier: Apache-2.0
// Leader election on a Lease. Only the local monotonic clock decides: after our own deadline nothing is written any more.
import type { Logger } from '../telemetry/log.ts';
import type { KubeClient } from './client.ts';
import { pause, within } from './deadline.ts';
import { completeLease, decide, type LeaseOptions, leaseSpec, microTime, type Sighting, sight } from './election.ts';
import { KubeError } from './errors.ts';
import { type Lease, leases } from './resources.ts';
import type { CallOptions, Fence } from './transport.ts';

const RELEASE_MS = 3_000;
const NEVER = Number.NEGATIVE_INFINITY;

export class Elector implements Fence {
  readonly #client: KubeClient;
  readonly #o: Required<LeaseOptions>;
  readonly #identity: string;
  readonly #log: Logger;
  #seen: Sighting | undefined;
  /** The Lease as we wrote it last: renewing it needs no read. */
  #own: Lease | undefined;
  /** Monotonic time after which this process writes nothing. */
  #deadline = NEVER;

  constructor(o: { client: KubeClient; lease: LeaseOptions; identity: string; log: Logger }) {
    this.#client = o.client;
    this.#o = completeLease(o.lease);
    this.#identity = o.identity;
    this.#log = o.log;
  }

  get leading(): boolean {
    return this.remainingMs() > 0;
  }

  remainingMs(): number {
    return this.#deadline - performance.now();
  }

  /** Throws `Fenced` unless the lease is surely ours. */
  check(): void {
    if (!this.leading) throw new KubeError('Fenced', 'leadership is not held: nothing is written');
  }

  /** Resolves when leading, or when the signal fires. */
  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#attempt()) return;
      await pause(this.#o.retryMs * (0.8 + Math.random() * 0.4), signal).catch(() => undefined);
    }
  }

  /** Renews until the signal fires; throws KubeError `Fenced` as soon as the lease is lost. */
  async hold(signal: AbortSignal): Promise<void> {
    let renewed = true;
    while (!signal.aborted) {
      // A renewal that failed is tried again soon: the time that is left is short. So it is after one that took long.
      const left = this.remainingMs();
      const wait = renewed ? left - this.#o.renewDeadlineMs + this.#o.retryMs : this.#o.retryMs / 10;
      await pause(Math.max(0, Math.min(wait, left)), signal).catch(() => undefined);
      if (signal.aborted) return;
      this.check();
      renewed = await this.#attempt();
      if (!signal.aborted) this.check();
    }
  }

  /** Nothing is written from now on. */
  resign(): void {
    this.#deadline = NEVER;
  }

  /** Gives the lease back, so that the next leader need not wait. Only when nothing is under way that could still write. */
  async release(): Promise<void> {
    const led = this.leading;
    this.resign();
    if (!led) return;
    try {
      await within(RELEASE_MS, undefined, async (signal) => {
        const own = this.#own ?? (await this.#client.get(leases, this.#o, { lane: 'election', signal }));
        if (own.spec?.holderIdentity !== this.#identity) return;
        const free = { ...own.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(new Date()) };
        await this.#client.update(leases, { ...own, spec: free }, { lane: 'election', signal });
      });
    } catch (e) {
      this.#log.warn({ err: String(e) }, 'the lease could not be released; the next leader waits for it to expire');
    }
  }

  /**
   * One try; true when the lease is ours now. Ends when it would come too late, but is never cut off by a stop: a lease that
   * we hold without knowing could not be released.
   */
  async #attempt(): Promise<boolean> {
    const { renewDeadlineMs } = this.#o;
    const left = this.leading ? this.remainingMs() : renewDeadlineMs;
    return within(left, undefined, (signal) =>
      this.#try({ lane: 'election', signal, timeoutMs: Math.min(left, renewDeadlineMs / 2) }),
    );
  }

  /** The deadline counts from before the request was sent. */
  async #try(call: CallOptions): Promise<boolean> {
    const started = performance.now();
    try {
      const lease = this.#own ?? (await this.#client.find(leases, this.#o, call));
      const mine = { identity: this.#identity, durationMs: this.#o.durationMs, now: started };
      this.#seen = sight(lease, this.#seen, mine);
      const election = decide(lease, this.#identity, this.#seen, started);
      if (election === 'wait') {
        // Somebody else holds it: whatever deadline we still had is void.
        this.resign();
        return false;
      }
      this.#own = await this.#write(lease, leaseSpec(lease, election, { ...mine, now: new Date() }), call);
      this.#seen = undefined;
      this.#deadline = started + this.#o.renewDeadlineMs;
      return true;
    } catch (e) {
      return this.#failed(e, call);
    }
  }

  /** The Lease is not as we thought, or we do not know: read it next time, and at once when the server said so. */
  async #failed(e: unknown, call: CallOptions): Promise<boolean> {
    const renewing = this.#own !== undefined;
    this.#own = undefined;
    const answered = e instanceof KubeError && (e.code === 'Conflict' || e.code === 'NotFound');
    if (renewing && answered) return this.#try(call);
    this.#log.warn({ err: e instanceof Error ? e.message : String(e) }, 'the lease could not be read or renewed');
    return false;
  }

  async #write(lease: Lease | undefined, spec: NonNullable<Lease['spec']>, call: CallOptions): Promise<Lease> {
    if (lease !== undefined) return this.#client.update(leases, { ...lease, spec }, call);
    const { namespace, name } = this.#o;
    return this.#client.create(leases, { metadata: { namespace, name }, spec }, call);
  }
}
