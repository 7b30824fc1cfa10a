// SPDX-License-Identifier: Apache-2.0
// A keyed work queue: one run per key at a time, repeated requests merged, failures backed off, a bounded number of workers.

import { type Backoff, backoffMs } from './backoff.ts';
import { MAX_TIMER_MS } from './deadline.ts';

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
  /** After failures; default 200 ms to 60 s. */
  readonly backoff?: Backoff;
  /** The last `reserve` workers only take keys of groups that have none, so that slow groups do not hold up the others. */
  readonly group?: (key: string) => string;
  /** Less than `workers`; default 0. */
  readonly reserve?: number;
  /** Milliseconds that a failure asks to wait at least; default 0. */
  readonly patience?: (e: unknown) => number;
  /** Milliseconds after which a failure is tried again at the latest, however often it came; default: the back-off's longest. */
  readonly impatience?: (e: unknown) => number;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** One run of a key. Resolves with the milliseconds until the next run, or undefined; a rejection backs the key off. */
  run(key: string, failing: Failing): Promise<number | undefined>;
}

/** Runs of a key that failed in a row. */
export interface Failing {
  readonly times: number;
  /** When the first of them failed, in monotonic milliseconds; undefined: none did. */
  readonly since: number | undefined;
}

const WELL: Failing = { times: 0, since: undefined };

export class WorkQueue {
  readonly #o: Required<QueueOptions>;
  readonly #waiting: string[] = [];
  /** Queued, or to be run again as soon as the present run ends. */
  readonly #dirty = new Set<string>();
  /** When the present run of a key began. */
  readonly #busy = new Map<string, number>();
  readonly #busyInGroup = new Map<string, number>();
  readonly #failing = new Map<string, Failing>();
  readonly #timers = new Map<string, { at: number; cancel: () => void }>();
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(o: QueueOptions) {
    this.#o = {
      backoff: { firstMs: 200, maxMs: 60_000 },
      clock: realClock,
      random: Math.random,
      group: () => '',
      reserve: 0,
      patience: () => 0,
      impatience: () => Number.POSITIVE_INFINITY,
      ...o,
    };
  }

  get depth(): number {
    return this.#waiting.length;
  }

  /** The run that takes longest so far. */
  get longest(): { readonly key: string; readonly ms: number } | undefined {
    const [first] = this.#busy;
    return first === undefined ? undefined : { key: first[0], ms: this.#o.clock.now() - first[1] };
  }

  add(key: string): void {
    if (this.#stopped || this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (this.#busy.has(key)) return;
    this.#waiting.push(key);
    this.#pump();
  }

  /** The earliest of several requests for one key counts. Longer than a timer can wait is looked at earlier. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const ms = Math.min(delayMs, MAX_TIMER_MS);
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
      const reserved = this.#o.workers - this.#busy.size <= this.#o.reserve;
      const next = this.#waiting.findIndex((key) => !reserved || this.#inGroup(key) === 0);
      const key = this.#waiting[next];
      if (key === undefined) return;
      this.#waiting.splice(next, 1);
      this.#dirty.delete(key);
      this.#busy.set(key, this.#o.clock.now());
      this.#busyInGroup.set(this.#o.group(key), this.#inGroup(key) + 1);
      void this.#one(key);
    }
  }

  #inGroup(key: string): number {
    return this.#busyInGroup.get(this.#o.group(key)) ?? 0;
  }

  async #one(key: string): Promise<void> {
    // A pending timer is answered by this run, which sees the same world.
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    const { times, since } = this.#failing.get(key) ?? WELL;
    try {
      const after = await this.#o.run(key, { times, since });
      this.#failing.delete(key);
      if (after !== undefined) this.addAfter(key, after);
    } catch (e) {
      const [atMostMs, waitMs] = [this.#o.impatience(e), backoffMs(times, this.#o.backoff, this.#o.random)];
      // What is tried again early does not count towards the wait of what comes after it.
      this.#failing.set(key, { times: waitMs > atMostMs ? times : times + 1, since: since ?? this.#o.clock.now() });
      this.addAfter(key, Math.max(this.#o.patience(e), Math.min(atMostMs, waitMs)));
    } finally {
      this.#busy.delete(key);
      const left = this.#inGroup(key) - 1;
      if (left > 0) this.#busyInGroup.set(this.#o.group(key), left);
      else this.#busyInGroup.delete(this.#o.group(key));
      if (this.#dirty.has(key) && !this.#stopped) this.#waiting.push(key);
      if (this.#busy.size === 0 && this.#stopped) for (const done of this.#idle.splice(0)) done();
      this.#pump();
    }
  }
}
