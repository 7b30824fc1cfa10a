// SPDX-License-Identifier: Apache-2.0
// One controller: turns changes of caches into keys, and runs its reconcile for each key until that succeeds.
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Backoff } from './backoff.ts';
import { within } from './deadline.ts';
import { KubeError } from './errors.ts';
import type { KubeObject } from './json.ts';
import { type Failing, WorkQueue } from './queue.ts';
import type { Change, Store } from './store.ts';

export interface Key {
  readonly namespace: string;
  readonly name: string;
}

export interface ReconcileContext {
  /** Fires when the process has to end, leadership is lost, or the run has taken too long. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly reconcileId: string;
  /** When the first of the runs failed that have failed in a row, in monotonic milliseconds; undefined: the last one succeeded. */
  readonly failingSince: number | undefined;
  /** A kind that may not be watched in this namespace, in the words of the API server: what is known of it grows old. */
  readonly refused: string | undefined;
  /** Set by the run to what it is about to do: said in the log when it fails. */
  step?: string | undefined;
}

/**
 * When to look again without being told; undefined: only on a change or the resync. `gatherMs`: how long changes of
 * children are gathered until the next look; default 50.
 */
export type Outcome = { readonly requeueAfterMs: number; readonly gatherMs?: number } | undefined;

export interface WatchedStore<T> extends Store<T> {
  onChange(listener: (change: Change<T>) => void): void;
}

/** What a controller listens to: changes of one store, as keys. Made by `source()`. */
export interface Source {
  /** Keys of everything that is there now; an object that they cannot be told of is passed over, and `failed` called. */
  keys(failed: (e: unknown) => void): Key[];
  onKey(listener: (key: Key) => void): void;
}

/** Children change in bursts: one look after this many milliseconds sees what several looks would have seen in part. */
const GATHER_MS = 50;

/**
 * `keys`: which keys of the controller an object concerns; asked for the object before and after a change. `ignored`: the
 * changes that nobody has to look at.
 */
export function source<T extends KubeObject>(
  store: WatchedStore<T>,
  keys: (object: T) => Key[],
  ignored: (change: Change<T>) => boolean = () => false,
): Source {
  return {
    keys: (failed) =>
      store.list().flatMap((object) => {
        try {
          return keys(object);
        } catch (e) {
          failed(e);
          return [];
        }
      }),
    onKey: (listener) =>
      store.onChange((change) => {
        if (ignored(change)) return;
        const { before, after } = change;
        for (const object of [before, after]) if (object !== undefined) for (const key of keys(object)) listener(key);
      }),
  };
}

/** A change of nothing but the status, whose kind counts the generations of its spec. */
export function statusOnly<T extends KubeObject>({ before, after }: Change<T>): boolean {
  if (before === undefined || after === undefined || after.metadata.generation === undefined) return false;
  const { resourceVersion: _, ...was } = before.metadata;
  const { resourceVersion: __, ...is } = after.metadata;
  return isDeepStrictEqual(was, is);
}

export interface ControllerOptions {
  readonly name: string;
  readonly workers?: number;
  /** After failures; default 200 ms to 60 s. */
  readonly backoff?: Backoff;
  /** Every object of the first source is looked at again within this time; from the cache, with jitter. */
  readonly resyncMs?: number;
  /** A run is told to end after this time; default 300,000 ms. */
  readonly timeoutMs?: number;
  /** The first is of the objects themselves, and a change of one is looked at at once. */
  readonly sources: readonly Source[];
  reconcile(key: Key, ctx: ReconcileContext): Promise<Outcome>;
  /** Instead of a reconcile while `ctx.refused` keeps the namespace from being known at all: to say so. */
  blind?(key: Key, ctx: ReconcileContext): Promise<void>;
}

/** What the controller needs of its surroundings. */
export interface Surroundings {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Fires when no run may go on. */
  readonly signal: AbortSignal;
  /** Whether the caches show a namespace completely; before that nothing in it is looked at. */
  readonly known: (namespace: string) => boolean;
  /** Why a namespace may not be seen; undefined while it may. */
  readonly refused: (namespace: string) => string | undefined;
}

const WORKERS = 4;
const TIMEOUT_MS = 300_000;
/** A run that was told to end and has not by then never will: its worker is lost. */
const LOST_MS = 60_000;

/** Runs that end in a conflict may each have got something done: they do not wait longer and longer. */
const CONFLICT_MS = 1_000;

const encode = (k: Key): string => `${k.namespace}/${k.name}`;
const decode = (text: string): Key => {
  const at = text.indexOf('/');
  return { namespace: text.slice(0, at), name: text.slice(at + 1) };
};

export class Controller {
  readonly #o: ControllerOptions;
  readonly #around: Surroundings;
  readonly #queue: WorkQueue;
  /** Of the keys whose last look asked for another time than the default. */
  readonly #gather = new Map<string, number>();
  #started = false;

  constructor(o: ControllerOptions, around: Surroundings) {
    this.#o = o;
    this.#around = around;
    const workers = o.workers ?? WORKERS;
    this.#queue = new WorkQueue({
      workers,
      ...(o.backoff === undefined ? {} : { backoff: o.backoff }),
      run: (key, failing) => this.#reconcile(decode(key), failing),
      // Namespaces whose requests hang leave some workers to the others.
      group: (key) => decode(key).namespace,
      reserve: Math.floor(workers / 4),
      patience: (e) => (e instanceof KubeError ? (e.retryAfterMs ?? 0) : 0),
      impatience: (e) => (e instanceof KubeError && e.code === 'Conflict' ? CONFLICT_MS : Number.POSITIVE_INFINITY),
    });
    for (const [index, from] of o.sources.entries()) {
      from.onKey((key) => this.enqueue(key, index === 0 ? 0 : (this.#gather.get(encode(key)) ?? GATHER_MS)));
    }
  }

  get name(): string {
    return this.#o.name;
  }

  get depth(): number {
    return this.#queue.depth;
  }

  /** A run that does not end although its time is over; only a new process helps. */
  get stuck(): string | undefined {
    const { key, ms } = this.#queue.longest ?? { key: '', ms: 0 };
    if (ms < (this.#o.timeoutMs ?? TIMEOUT_MS) + LOST_MS) return undefined;
    return `${this.name}: the run for ${key} does not end, after ${Math.round(ms / 1000)} s`;
  }

  /** Before the start, and while the namespace is not known, nothing is kept: all of it is looked at then. */
  enqueue(key: Key, afterMs = 0): void {
    const { known, refused } = this.#around;
    if (this.#started && (known(key.namespace) || refused(key.namespace) !== undefined))
      this.#queue.addAfter(encode(key), afterMs);
  }

  start(): void {
    this.#started = true;
    this.enqueueAll();
    const every = this.#o.resyncMs;
    if (every === undefined) return;
    const timer = setInterval(() => this.#resync(every), every);
    this.#around.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  }

  /** Everything that any source shows, or what it shows of one namespace. */
  enqueueAll(namespace?: string): void {
    for (const key of this.#keysOf(this.#o.sources))
      if (namespace === undefined || key.namespace === namespace) this.enqueue(key);
  }

  /** Takes nothing new; resolves when the runs under way have ended. */
  async stop(): Promise<void> {
    this.#started = false;
    await this.#queue.stop();
  }

  #resync(spreadMs: number): void {
    for (const key of this.#keysOf(this.#o.sources.slice(0, 1))) this.enqueue(key, Math.random() * spreadMs);
  }

  #keysOf(sources: readonly Source[]): Key[] {
    const failed = (e: unknown): void =>
      this.#around.log.error({ err: e, controller: this.name }, 'an object has no key');
    return sources.flatMap((from) => from.keys(failed));
  }

  async #reconcile(key: Key, failing: Failing): Promise<number | undefined> {
    const { metrics, signal: ending } = this.#around;
    const started = performance.now();
    try {
      const outcome = await within(this.#o.timeoutMs ?? TIMEOUT_MS, ending, (signal) =>
        this.#run(key, this.#contextOf(key, failing, signal), failing.times + 1),
      );
      if (outcome?.gatherMs === undefined) this.#gather.delete(encode(key));
      else this.#gather.set(encode(key), outcome.gatherMs);
      metrics.reconciled(this.name, 'success', performance.now() - started);
      return outcome?.requeueAfterMs;
    } catch (e) {
      metrics.reconciled(this.name, 'error', performance.now() - started);
      throw e;
    }
  }

  #contextOf({ namespace, name }: Key, failing: Failing, signal: AbortSignal): ReconcileContext {
    const reconcileId = randomBytes(4).toString('hex');
    const make = () => this.#around.log.child({ controller: this.name, namespace, name, reconcileId });
    // Made by the first line that is logged: most runs log none.
    let made: Logger | undefined;
    return {
      signal,
      reconcileId,
      failingSince: failing.since,
      refused: this.#around.refused(namespace),
      get log() {
        made ??= make();
        return made;
      },
    };
  }

  async #run(key: Key, ctx: ReconcileContext, attempt: number): Promise<Outcome> {
    const { known, signal: ending } = this.#around;
    try {
      ending.throwIfAborted();
      let outcome: Outcome;
      if (known(key.namespace)) outcome = await this.#o.reconcile(key, ctx);
      else if (ctx.refused !== undefined) await this.#o.blind?.(key, ctx);
      const after = outcome?.requeueAfterMs;
      if (after !== undefined && !(after >= 0)) throw new RangeError(`cannot look again after ${after} ms`);
      return outcome;
    } catch (e) {
      if (!ending.aborted) report(ctx, e, attempt);
      throw e;
    }
  }
}

/** A conflict is ordinary: somebody else was faster, and the next run looks again. */
function report({ log, step }: ReconcileContext, e: unknown, attempt: number): void {
  const at = { ...(step === undefined ? {} : { step }), attempt };
  if (e instanceof KubeError && e.class === 'conflict')
    log.info({ ...at, code: e.code, err: e.message }, 'reconcile is repeated');
  else log.error({ ...at, err: e }, 'reconcile failed');
}
