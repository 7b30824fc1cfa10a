// SPDX-License-Identifier: Apache-2.0
// A keyed work queue: one run per key at a time, repeated requests merged, failures backed off, a bounded number of workers.

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Runs once after `ms`; returns a function that cancels it. */
  after(ms: number, run: () => void): () => void;
}

const realClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export interface QueueOptions {
  readonly workers: number;
  /** First and longest wait after failures, in milliseconds. */
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  readonly clock?: Clock;
  readonly random?: () => number;
  /** One run of a key. Resolves with the milliseconds until the next run, or undefined; a rejection backs the key off. */
  run(key: string, attempt: number): Promise<number | undefined>;
}

export class WorkQueue {
  readonly #o: Required<QueueOptions>;
  readonly #waiting: string[] = [];
  /** Queued, or to be run again as soon as the present run ends. */
  readonly #dirty = new Set<string>();
  readonly #busy = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { at: number; cancel: () => void }>();
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(o: QueueOptions) {
    this.#o = { backoff: { firstMs: 200, maxMs: 60_000 }, clock: realClock, random: Math.random, ...o };
  }

  get depth(): number {
    return this.#waiting.length;
  }

  add(key: string): void {
    if (this.#stopped || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (this.#busy.has(key)) return;
    this.#waiting.push(key);
    this.#pump();
  }

  /** The earliest of several requests for one key counts. */
  addAfter(key: string, ms: number): void {
    if (this.#stopped) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const at = this.#o.clock.now() + ms;
    const known = this.#timers.get(key);
    if (known !== undefined && known.at <= at) return;
    known?.cancel();
    const cancel = this.#o.clock.after(ms, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, { at, cancel });
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Takes nothing new; resolves when the runs under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const t of this.#timers.values()) t.cancel();
    this.#timers.clear();
    this.#waiting.length = 0;
    if (this.#busy.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    while (!this.#stopped && this.#busy.size < this.#o.workers) {
      const key = this.#waiting.shift();
      if (key === undefined) return;
      this.#dirty.delete(key);
      this.#busy.add(key);
      void this.#one(key);
    }
  }

  async #one(key: string): Promise<void> {
    // A pending timer is answered by this run, which sees the same world.
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    const failures = this.#failures.get(key) ?? 0;
    try {
      const after = await this.#o.run(key, failures + 1);
      this.#failures.delete(key);
      if (after !== undefined) this.addAfter(key, after);
    } catch {
      this.#failures.set(key, failures + 1);
      this.addAfter(key, backoffMs(failures, this.#o.backoff, this.#o.random));
    } finally {
      this.#busy.delete(key);
      if (this.#dirty.has(key) && !this.#stopped) this.#waiting.push(key);
      if (this.#busy.size === 0 && this.#stopped) for (const done of this.#idle.splice(0)) done();
      this.#pump();
    }
  }
}

/** Exponential with jitter: between half and the whole of first × 2^failures, never above max. */
export function backoffMs(
  failures: number,
  o: { readonly firstMs: number; readonly maxMs: number },
  random: () => number,
): number {
  const full = Math.min(o.firstMs * 2 ** Math.min(failures, 30), o.maxMs);
  return full * (0.5 + random() / 2);
}
