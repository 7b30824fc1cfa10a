// SPDX-License-Identifier: Apache-2.0
// Runs controllers: caches, queues, leader election, health, and an orderly end.
import { randomBytes } from 'node:crypto';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { KubeClient } from './client.ts';
import { Elector, type LeaseOptions } from './elector.ts';
import { serveHealth } from './health.ts';
import type { KubeObject } from './json.ts';
import { WorkQueue } from './queue.ts';
import { Reflector } from './reflector.ts';
import type { Resource } from './resources.ts';
import { type Change, ObjectStore, type Store } from './store.ts';

export interface Key {
  readonly namespace: string;
  readonly name: string;
}

export interface ReconcileContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly reconcileId: string;
  /** 1 for the first try since the last success. */
  readonly attempt: number;
}

/** When to look again without being told; undefined: only on a change or the resync. */
export type Outcome = { readonly requeueAfterMs: number } | undefined;

export interface WatchedStore<T> extends Store<T> {
  onChange(listener: (change: Change<T>) => void): void;
}

/** What a controller listens to: changes of one store, as keys. Made by `source()`. */
export interface Source {
  /** Keys of everything that is there now. */
  keys(): Key[];
  onKey(listener: (key: Key) => void): void;
}

/** `keys`: which keys of the controller an object concerns; asked for the object before and after a change. */
export function source<T extends KubeObject>(store: WatchedStore<T>, keys: (object: T) => Key[]): Source {
  return {
    keys: () => store.list().flatMap(keys),
    onKey: (listener) =>
      store.onChange(({ before, after }) => {
        for (const object of [before, after]) if (object !== undefined) for (const key of keys(object)) listener(key);
      }),
  };
}

export interface ControllerOptions {
  readonly name: string;
  readonly workers?: number;
  /** Every object of the first source is looked at again within this time; from the cache, with jitter. */
  readonly resyncMs?: number;
  readonly sources: readonly Source[];
  reconcile(key: Key, ctx: ReconcileContext): Promise<Outcome>;
}

export interface ManagerOptions {
  readonly client: KubeClient;
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[];
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly identity: string;
  /** Absent: no election, always leading. */
  readonly lease?: LeaseOptions;
  readonly healthPort: number;
  readonly signal: AbortSignal;
}

interface Controller {
  readonly options: ControllerOptions;
  readonly queue: WorkQueue;
}

const encode = (k: Key): string => `${k.namespace}/${k.name}`;
const decode = (text: string): Key => {
  const at = text.indexOf('/');
  return { namespace: text.slice(0, at), name: text.slice(at + 1) };
};

/** A cache that heard nothing for this long is not fresh; watches are given up as dead before. */
const STALE_MS = 150_000;
/** Runs under way get this long to end after a stop. */
const GRACE_MS = 15_000;

export class Manager {
  readonly #o: ManagerOptions;
  readonly #stores: ObjectStore<KubeObject>[] = [];
  readonly #reflectors: Reflector<KubeObject>[] = [];
  readonly #controllers: Controller[] = [];
  readonly #elector: Elector | undefined;
  readonly #work = new AbortController();
  #started = false;

  constructor(o: ManagerOptions) {
    this.#o = o;
    if (o.lease !== undefined) {
      this.#elector = new Elector({ client: o.client, lease: o.lease, identity: o.identity, log: o.log });
    }
  }

  /** Throws `Fenced` when this process may not change anything; also to be asked before each change of an etcd cluster. */
  readonly checkFence = (): void => this.#elector?.check();

  watch<T extends KubeObject>(r: Resource<T>, o: { labelSelector?: string; trim?: (o: T) => T } = {}): WatchedStore<T> {
    const store = new ObjectStore<T>((e) => this.#o.log.error({ err: String(e) }, 'a watch handler threw'));
    const parts = this.#o.namespaces.length === 0 ? [undefined] : this.#o.namespaces;
    for (const namespace of parts) {
      const query = {
        ...(namespace === undefined ? {} : { namespace }),
        ...(o.labelSelector === undefined ? {} : { labelSelector: o.labelSelector }),
      };
      const reflector = new Reflector<T>({
        client: this.#o.client,
        resource: r,
        query,
        store,
        log: this.#o.log,
        ...(o.trim === undefined ? {} : { trim: o.trim }),
      }); // prettier-ignore
      this.#reflectors.push(reflector as unknown as Reflector<KubeObject>);
    }
    this.#stores.push(store as unknown as ObjectStore<KubeObject>);
    return store;
  }

  controller(options: ControllerOptions): void {
    const queue = new WorkQueue({
      workers: options.workers ?? 4,
      run: (key, attempt) => this.#reconcile(options, key, attempt),
    });
    const controller = { options, queue };
    this.#controllers.push(controller);
    for (const from of options.sources) from.onKey((key) => this.#add(controller, key));
  }

  enqueue(name: string, key: Key, afterMs = 0): void {
    const controller = this.#controllers.find((c) => c.options.name === name);
    if (controller === undefined) throw new Error(`no controller ${name}`);
    if (this.#started) controller.queue.addAfter(encode(key), afterMs);
  }

  /** Returns after an orderly stop; throws when leadership was lost, and then the process has to end. */
  async run(): Promise<void> {
    const { signal, log } = this.#o;
    const ending = AbortSignal.any([signal, this.#work.signal]);
    const server = await serveHealth({
      port: this.#o.healthPort,
      live: () => undefined,
      ready: () => this.#staleness(),
      metrics: () => this.#o.metrics.render(this.#gauges()),
    });
    const watches = this.#reflectors.map((r) => r.run(ending));
    try {
      await this.#elector?.acquire(ending);
      if (!ending.aborted) {
        log.info({ identity: this.#o.identity }, 'leading');
        this.#o.client.setFence(this.checkFence);
        await this.#synced(ending);
        this.#start();
        await (this.#elector?.hold(ending) ?? untilAborted(ending));
      }
    } finally {
      await this.#stop();
      await Promise.all(watches);
      server.close();
      server.closeAllConnections();
    }
  }

  /** What keeps the caches from being trusted; undefined when all are complete and fresh. */
  #staleness(): string | undefined {
    if (this.#stores.some((s) => !s.synced)) return 'caches are not complete yet';
    const age = performance.now() - Math.min(...this.#stores.map((s) => s.lastContact));
    return age > STALE_MS ? `a watch has been silent for ${Math.round(age / 1000)} s` : undefined;
  }

  #gauges(): { leading: boolean; watchAgeSeconds: number; depth: Record<string, number> } {
    const oldest = Math.min(performance.now(), ...this.#stores.map((s) => s.lastContact));
    return {
      leading: this.#elector?.leading ?? true,
      watchAgeSeconds: (performance.now() - oldest) / 1000,
      depth: Object.fromEntries(this.#controllers.map((c) => [c.options.name, c.queue.depth])),
    };
  }

  async #synced(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#stores.some((s) => !s.synced)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #start(): void {
    this.#started = true;
    for (const controller of this.#controllers) {
      this.#resync(controller);
      const every = controller.options.resyncMs;
      if (every === undefined) continue;
      const timer = setInterval(() => this.#resync(controller, every), every);
      this.#work.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    }
  }

  #resync(controller: Controller, spreadMs = 0): void {
    for (const key of controller.options.sources[0]?.keys() ?? []) {
      controller.queue.addAfter(encode(key), Math.random() * spreadMs);
    }
  }

  #add(controller: Controller, key: Key): void {
    if (this.#started) controller.queue.add(encode(key));
  }

  async #reconcile(options: ControllerOptions, text: string, attempt: number): Promise<number | undefined> {
    const key = decode(text);
    const reconcileId = randomBytes(4).toString('hex');
    const log = this.#o.log.child({ controller: options.name, namespace: key.namespace, name: key.name, reconcileId });
    const started = performance.now();
    try {
      const outcome = await options.reconcile(key, { signal: this.#work.signal, log, reconcileId, attempt });
      this.#o.metrics.reconciled(options.name, 'success', performance.now() - started);
      return outcome?.requeueAfterMs;
    } catch (e) {
      this.#o.metrics.reconciled(options.name, 'error', performance.now() - started);
      if (!this.#work.signal.aborted) log.error({ err: e, attempt }, 'reconcile failed');
      throw e;
    }
  }

  async #stop(): Promise<void> {
    this.#started = false;
    const stopped = Promise.all(this.#controllers.map((c) => c.queue.stop()));
    const timer = setTimeout(() => this.#work.abort(), GRACE_MS);
    await stopped;
    clearTimeout(timer);
    this.#work.abort();
    await this.#elector?.release();
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
