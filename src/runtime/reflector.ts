// SPDX-License-Identifier: Apache-2.0
// Keeps the cache of one kind equal to the API server: streaming list, watch, bookmarks, and a relist whenever in doubt.
import type { Logger } from '../telemetry/log.ts';
import { type KubeClient, type ListQuery, pause } from './client.ts';
import { errorOfTransport, KubeError } from './errors.ts';
import type { KubeObject } from './json.ts';
import { LineSplitter } from './lines.ts';
import { backoffMs } from './queue.ts';
import type { Resource } from './resources.ts';
import type { ObjectStore } from './store.ts';

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly query: ListQuery;
  readonly store: ObjectStore<T>;
  readonly log: Logger;
  /** Cuts an object down to what is needed; managedFields are dropped before. */
  readonly trim?: (object: T) => T;
  /** A watch without any byte for this long is dead; the server sends a bookmark about once a minute. */
  readonly silenceMs?: number;
}

interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T & { readonly code?: number; readonly message?: string; readonly reason?: string };
}

const BACKOFF = { firstMs: 200, maxMs: 15_000 };
const SILENCE_MS = 75_000;
/** A watch that ends sooner than this was refused in a polite way; after a few of those the version is not trusted. */
const FAST_MS = 1_000;
const FAST_LIMIT = 3;
const LIST_DONE = 'k8s.io/initial-events-end';

export class Reflector<T extends KubeObject> {
  readonly #o: ReflectorOptions<T>;
  /** Where to go on watching; undefined means list first. */
  #version: string | undefined;
  #streaming = true;
  #fast = 0;

  constructor(o: ReflectorOptions<T>) {
    this.#o = o;
    o.store.expect(this.#part);
  }

  get #part(): string {
    return this.#o.query.namespace ?? '';
  }

  /** Runs until the signal fires. Every failure is waited out with back-off; none ends it. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const started = performance.now();
      let failed = false;
      try {
        await this.#pass(signal);
      } catch (e) {
        if (signal.aborted) return;
        failed = true;
        this.#judge(e);
      }
      const fast = performance.now() - started < FAST_MS;
      this.#fast = fast ? this.#fast + 1 : 0;
      if (this.#fast >= FAST_LIMIT) {
        this.#version = undefined;
        this.#fast = 0;
      }
      failures = failed || fast ? failures + 1 : 0;
      if (failures > 0) await pause(backoffMs(failures - 1, BACKOFF, Math.random), signal).catch(() => undefined);
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    if (this.#version === undefined && !this.#streaming) await this.#list(signal);
    await this.#watch(signal);
  }

  #judge(e: unknown): void {
    const error = errorOfTransport(e);
    this.#o.log.warn(
      { kind: this.#o.resource.kind, namespace: this.#part, code: error.code, err: error.message },
      'watch failed',
    );
    // 400 and 422: a server without streaming lists refuses `sendInitialEvents`.
    if (error.code === 'Invalid' && this.#version === undefined) this.#streaming = false;
    if (error.code === 'Gone' || error.code === 'Invalid' || error.code === 'Unknown') this.#version = undefined;
  }

  async #list(signal: AbortSignal): Promise<void> {
    const items: T[] = [];
    let next: string | undefined;
    let version = '';
    do {
      const page = await this.#o.client.listPage(this.#o.resource, this.#o.query, next, { signal, timeoutMs: 60_000 });
      for (const item of page.items) items.push(this.#cut(item));
      next = page.metadata.continue;
      version = page.metadata.resourceVersion;
    } while (next !== undefined && next !== '');
    this.#o.store.replace(this.#part, items);
    this.#version = version;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const own = new AbortController();
    const either = AbortSignal.any([signal, own.signal]);
    const silence = this.#o.silenceMs ?? SILENCE_MS;
    let timer = setTimeout(() => own.abort(new KubeError('Timeout', 'the watch is silent')), silence);
    const alive = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => own.abort(new KubeError('Timeout', 'the watch is silent')), silence);
      this.#o.store.contact(this.#part);
    };
    try {
      const body = await this.#o.client.watch(this.#o.resource, this.#o.query, this.#parameters(), either);
      const initial = this.#version === undefined ? new Map<string, T>() : undefined;
      await this.#consume(body as AsyncIterable<Uint8Array>, initial, alive);
    } catch (e) {
      // An aborted fetch says so in its own words; the reason is ours.
      throw own.signal.aborted ? own.signal.reason : e;
    } finally {
      clearTimeout(timer);
      own.abort();
    }
  }

  #parameters(): Record<string, string> {
    const timeoutSeconds = String(240 + Math.floor(Math.random() * 60));
    if (this.#version !== undefined) return { timeoutSeconds, resourceVersion: this.#version };
    return { timeoutSeconds, sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' };
  }

  /** `initial` collects the streamed list until the server marks its end; only then is it compared with the cache. */
  async #consume(
    body: AsyncIterable<Uint8Array>,
    initial: Map<string, T> | undefined,
    alive: () => void,
  ): Promise<void> {
    const splitter = new LineSplitter();
    let pending = initial;
    for await (const chunk of body) {
      alive();
      for (const line of splitter.push(chunk)) {
        const event = this.#parse(line);
        if (
          event.type === 'BOOKMARK' &&
          pending !== undefined &&
          event.object.metadata.annotations?.[LIST_DONE] === 'true'
        ) {
          this.#o.store.replace(this.#part, [...pending.values()]);
          pending = undefined;
        } else if (pending !== undefined && event.type !== 'BOOKMARK') {
          collect(pending, event.type, this.#cut(event.object));
          continue;
        } else this.#handle(event);
        if (pending === undefined) this.#version = event.object.metadata.resourceVersion;
      }
    }
    if (splitter.cut) throw this.#doubt('the watch was cut in the middle of a line');
  }

  #parse(line: string): WatchEvent<T> {
    let event: WatchEvent<T>;
    try {
      event = JSON.parse(line) as WatchEvent<T>;
    } catch {
      throw this.#doubt('a line of the watch is not JSON');
    }
    if (event.type === 'ERROR') {
      const gone = event.object.code === 410;
      throw new KubeError(gone ? 'Gone' : 'Unavailable', event.object.message ?? 'the server ended the watch');
    }
    return event;
  }

  /** What was lost is unknown: list again. */
  #doubt(message: string): KubeError {
    this.#version = undefined;
    return new KubeError('Unavailable', message);
  }

  #handle(event: WatchEvent<T>): void {
    if (event.type === 'DELETED') this.#o.store.remove(this.#cut(event.object));
    else if (event.type !== 'BOOKMARK') this.#o.store.upsert(this.#cut(event.object));
  }

  #cut(object: T): T {
    (object.metadata as { managedFields?: unknown }).managedFields = undefined;
    return this.#o.trim === undefined ? object : this.#o.trim(object);
  }
}

function collect<T extends KubeObject>(into: Map<string, T>, type: string, object: T): void {
  const key = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
  if (type === 'DELETED') into.delete(key);
  else into.set(key, object);
}
