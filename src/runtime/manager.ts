// SPDX-License-Identifier: Apache-2.0
// Runs controllers: caches, leader election, health, and an orderly end.
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { KubeClient } from './client.ts';
import { Controller, type ControllerOptions, type Key, type WatchedStore } from './controller.ts';
import { pause } from './deadline.ts';
import type { LeaseOptions } from './election.ts';
import { Elector } from './elector.ts';
import { serveHealth } from './health.ts';
import type { KubeObject } from './json.ts';
import { Reflector } from './reflector.ts';
import type { Resource } from './resources.ts';
import { ObjectStore } from './store.ts';

export { type Key, type Outcome, type ReconcileContext, source, statusOnly, type WatchedStore } from './controller.ts';

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

/** A cache that heard nothing for this long is not fresh; its watch was given up as dead before. */
const STALE_MS = 90_000;
/**
 * Runs under way get this long to end after a stop, and then this long to give up. With the 7 s that a renewal can still take,
 * and the 3 s of the release, that is 26 s; Kubernetes grants 30.
 */
const GRACE_MS = 12_000;
const ABORT_MS = 4_000;

export class Manager {
  readonly #o: ManagerOptions;
  readonly #stores: { readonly kind: string; readonly store: ObjectStore<KubeObject> }[] = [];
  readonly #watches: ((signal: AbortSignal) => Promise<void>)[] = [];
  readonly #controllers: Controller[] = [];
  readonly #elector: Elector | undefined;
  /** Fires when no run may go on. */
  readonly #work = new AbortController();

  constructor(o: ManagerOptions) {
    this.#o = o;
    if (o.lease === undefined) return;
    this.#elector = new Elector({ client: o.client, lease: o.lease, identity: o.identity, log: o.log });
    // From the start: a standby writes nothing either.
    o.client.setFence(this.#elector);
  }

  watch<T extends KubeObject>(
    resource: Resource<T>,
    { labelSelector }: { labelSelector?: string } = {},
  ): WatchedStore<T> {
    const { client, log } = this.#o;
    const store = new ObjectStore<T>((e) => log.error({ err: e, kind: resource.kind }, 'a watch handler threw'));
    for (const namespace of this.#o.namespaces.length === 0 ? [undefined] : this.#o.namespaces) {
      const query = {
        ...(namespace === undefined ? {} : { namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
      };
      const reflector = new Reflector<T>({ client, resource, query, store, log });
      this.#watches.push((signal) => reflector.run(signal));
    }
    store.onView((part) => {
      for (const controller of this.#controllers) controller.enqueueAll(part === '' ? undefined : part);
    });
    this.#stores.push({ kind: resource.kind, store: store as unknown as ObjectStore<KubeObject> });
    return store;
  }

  controller(options: ControllerOptions): void {
    const { log, metrics } = this.#o;
    const known = (namespace: string): boolean => this.#stores.every(({ store }) => store.syncedIn(namespace));
    const refused = (namespace: string): string | undefined =>
      this.#stores.map(({ store }) => store.refusedIn(namespace)).find((why) => why !== undefined);
    this.#controllers.push(new Controller(options, { log, metrics, signal: this.#work.signal, known, refused }));
  }

  enqueue(name: string, key: Key, afterMs = 0): void {
    const controller = this.#controllers.find((c) => c.name === name);
    if (controller === undefined) throw new Error(`no controller ${name}`);
    controller.enqueue(key, afterMs);
  }

  /** Returns after an orderly stop; throws when leadership was lost, and then the process has to end. */
  async run(): Promise<void> {
    const { signal, log } = this.#o;
    const survive = (e: unknown): void => log.error({ err: e }, 'unhandled promise rejection');
    process.on('unhandledRejection', survive);
    const server = await serveHealth({
      port: this.#o.healthPort,
      live: () => this.#controllers.map((c) => c.stuck).find((why) => why !== undefined),
      ready: () => this.#staleness(),
      metrics: () => this.#o.metrics.render(this.#gauges()),
    });
    const caches = new AbortController();
    const watches = this.#watches.map((watch) => watch(caches.signal));
    try {
      await this.#elector?.acquire(signal);
      if (!signal.aborted) await this.#lead(signal);
      else await this.#elector?.release();
    } finally {
      this.#work.abort();
      for (const controller of this.#controllers) void controller.stop();
      caches.abort();
      await Promise.all(watches);
      server.close();
      server.closeAllConnections();
      process.off('unhandledRejection', survive);
    }
  }

  /** The lease is renewed until the last run has ended, so that each may finish what it began. */
  async #lead(signal: AbortSignal): Promise<void> {
    this.#o.log.info({ identity: this.#o.identity }, 'leading');
    const drained = new AbortController();
    const lost = this.#elector?.hold(drained.signal) ?? untilAborted(drained.signal);
    for (const controller of this.#controllers) controller.start();
    try {
      await Promise.race([lost, untilAborted(signal)]);
      const ended = await Promise.race([lost.then(() => false), this.#drain()]);
      drained.abort();
      await lost;
      if (ended) await this.#elector?.release();
      else this.#o.log.warn('a run does not end: the lease is left to expire');
    } finally {
      drained.abort();
      this.#elector?.resign();
    }
  }

  /** Takes nothing new, waits for the runs under way, and tells them to give up when that takes too long. False: some run goes on. */
  async #drain(): Promise<boolean> {
    const stopped = Promise.all(this.#controllers.map((c) => c.stop())).then(() => true);
    const limit = new AbortController();
    const later = (ms: number): Promise<boolean> =>
      pause(ms, limit.signal).then(
        () => false,
        () => false,
      );
    const inTime = await Promise.race([stopped, later(GRACE_MS)]);
    this.#work.abort();
    const ended = inTime || (await Promise.race([stopped, later(ABORT_MS)]));
    limit.abort();
    return ended;
  }

  /** What keeps the caches from being trusted; undefined when all are complete and fresh. */
  #staleness(): string | undefined {
    const refused = this.#stores.flatMap(({ store }) => store.refusals);
    if (refused.length > 0) return refused.join('; ');
    const incomplete = this.#stores.filter(({ store }) => !store.synced).map(({ kind }) => kind);
    if (incomplete.length > 0) return `caches are not complete yet: ${incomplete.join(', ')}`;
    const [kind, age] = Object.entries(this.#ages()).toSorted(([, a], [, b]) => b - a)[0] ?? ['', 0];
    return age * 1000 > STALE_MS ? `the watch of ${kind} has been silent for ${Math.round(age)} s` : undefined;
  }

  /** Seconds since the most silent watch of each kind was heard. */
  #ages(): Record<string, number> {
    const now = performance.now();
    return Object.fromEntries(this.#stores.map(({ kind, store }) => [kind, (now - store.lastContact) / 1000]));
  }

  #gauges(): { leading: boolean; watchAges: Record<string, number>; depth: Record<string, number> } {
    return {
      leading: this.#elector?.leading ?? true,
      watchAges: this.#ages(),
      depth: Object.fromEntries(this.#controllers.map((c) => [c.name, c.depth])),
    };
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
