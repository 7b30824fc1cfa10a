// SPDX-License-Identifier: Apache-2.0
// Keeps the cache of one kind equal to the API server: streaming list, watch, bookmarks, and a relist whenever in doubt.
import type { Logger } from '../telemetry/log.ts';
import { backoffMs } from './backoff.ts';
import type { KubeClient, ListQuery } from './client.ts';
import { pause } from './deadline.ts';
import { errorOfTransport, KubeError } from './errors.ts';
import type { KubeObject } from './json.ts';
import { LineSplitter } from './lines.ts';
import type { Resource } from './resources.ts';
import type { ObjectStore } from './store.ts';
import { afterPass, isOlder, judgeList, START } from './watchstate.ts';

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly query: ListQuery;
  readonly store: ObjectStore<T>;
  readonly log: Logger;
}

interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T & { readonly code?: number; readonly message?: string; readonly reason?: string };
}

const BACKOFF = { firstMs: 200, maxMs: 15_000 };
/**
 * The server sends a bookmark once a minute and 2 s before it ends a watch, but not always where nothing happens. Watches
 * that end within a minute are never silent for longer all the same: one that neither says anything nor ends is dead.
 */
const WATCH_SECONDS = { least: 45, spread: 10 };
const SILENCE_MS = 58_000;
const LIST_MS = 60_000;
const LIST_DONE = 'k8s.io/initial-events-end';

export class Reflector<T extends KubeObject> {
  readonly #o: ReflectorOptions<T>;
  #position = START;
  /** Where the present pass has come to. */
  #version: string | undefined;
  #opened = false;
  /** Monotonic time of the last complete list. */
  #listedAt = 0;
  #newest: string | undefined;
  #refusals = 0;

  constructor(o: ReflectorOptions<T>) {
    this.#o = o;
    o.store.expect(this.#part);
  }

  get #part(): string {
    return this.#o.query.namespace ?? '';
  }

  /** Runs until the signal fires. Every failure is waited out with back-off; none ends it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const started = performance.now();
      this.#version = this.#position.version;
      this.#opened = false;
      const error = await this.#pass(signal).then(
        () => undefined,
        (e: unknown) => errorOfTransport(e),
      );
      if (signal.aborted) return;
      if (error !== undefined) this.#report(error);
      if (error?.code === 'Forbidden') this.#o.store.refuse(this.#part, error.message);
      const now = performance.now();
      const ending = {
        lastedMs: now - started,
        opened: this.#opened,
        listAgeMs: now - this.#listedAt,
        version: this.#version,
      };
      this.#position = afterPass(this.#position, error === undefined ? ending : { ...ending, error });
      const { failures } = this.#position;
      if (failures === 0) continue;
      const ms = Math.max(backoffMs(failures - 1, BACKOFF, Math.random), error?.retryAfterMs ?? 0);
      await pause(ms, signal).catch(() => undefined);
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    if (this.#version === undefined && this.#position.paged > 0) await this.#list(signal);
    await this.#watch(signal);
  }

  #report(error: KubeError): void {
    const { log, resource } = this.#o;
    log.warn({ kind: resource.kind, namespace: this.#part, code: error.code, err: error.message }, 'watch failed');
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, resource, query } = this.#o;
    const { metadata, items } = await client.listAll(resource, query, { signal, timeoutMs: LIST_MS });
    this.#replace(items.map(trim), metadata.resourceVersion);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, resource, query, store } = this.#o;
    const own = new AbortController();
    const end = (): void => own.abort(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    const silent = (): void => own.abort(new KubeError('Timeout', 'the watch is silent'));
    let timer: NodeJS.Timeout | undefined;
    // From the moment in which the request goes out: to wait as long as the server asked for is no silence.
    const heard = (): void => {
      timer = timer?.refresh() ?? setTimeout(silent, SILENCE_MS);
    };
    try {
      const parameters = this.#parameters();
      const body = await client.watch(resource, query, parameters, own.signal, heard);
      heard();
      const opened = performance.now();
      this.#opened = true;
      store.refuse(this.#part, undefined);
      // That a watch was opened says nothing of what it would show: data counts as fresh, and that the server ended it in time.
      await this.#consume(body, () => {
        heard();
        store.contact(this.#part);
      });
      const inTime = performance.now() - opened > (Number(parameters.timeoutSeconds) - 1) * 1000;
      if (inTime && this.#version !== undefined) store.contact(this.#part);
    } catch (e) {
      // Whatever an aborted request says in its own words; the reason is ours.
      throw own.signal.aborted ? own.signal.reason : e;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      own.abort();
    }
  }

  #parameters(): { timeoutSeconds: string } & Record<string, string> {
    const timeoutSeconds = String(WATCH_SECONDS.least + Math.floor(Math.random() * (WATCH_SECONDS.spread + 1)));
    if (this.#version !== undefined) return { timeoutSeconds, resourceVersion: this.#version };
    return { timeoutSeconds, sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' };
  }

  async #consume(body: AsyncIterable<Uint8Array>, alive: () => void): Promise<void> {
    const splitter = new LineSplitter();
    // Collects the streamed list until the server marks its end; only then is it compared with the cache.
    let initial = this.#version === undefined ? new Map<string, T>() : undefined;
    for await (const chunk of body) {
      alive();
      for (const line of this.#split(splitter, chunk)) {
        const event = this.#parse(line);
        if (initial === undefined) this.#handle(event);
        else if (this.#collect(initial, event)) initial = undefined;
      }
    }
    if (splitter.cut) throw this.#doubt('the watch was cut in the middle of a line');
  }

  #split(splitter: LineSplitter, chunk: Uint8Array): string[] {
    try {
      return splitter.push(chunk);
    } catch {
      throw this.#doubt('a line of the watch does not end');
    }
  }

  #parse(line: string): WatchEvent<T> {
    let event: WatchEvent<T> | null;
    try {
      event = JSON.parse(line) as WatchEvent<T> | null;
    } catch {
      throw this.#doubt('a line of the watch is not JSON');
    }
    if (event?.object === undefined) throw this.#doubt('a line of the watch is not an event');
    if (event.type === 'ERROR') {
      const { code: status = 500, message = 'the server ended the watch' } = event.object;
      throw new KubeError(status === 410 ? 'Gone' : 'Unavailable', message, { status });
    }
    if (event.object.metadata === undefined) throw this.#doubt('an event of the watch has no object');
    return event;
  }

  /** What was lost is unknown: list again. */
  #doubt(message: string): KubeError {
    this.#version = undefined;
    return new KubeError('Unavailable', message);
  }

  /** One event of a streamed list; true when the list is complete. */
  #collect(initial: Map<string, T>, event: WatchEvent<T>): boolean {
    const { metadata } = event.object;
    if (event.type !== 'BOOKMARK') {
      const key = `${metadata.namespace ?? ''}/${metadata.name}`;
      if (event.type === 'DELETED') initial.delete(key);
      else initial.set(key, trim(event.object));
      return false;
    }
    if (metadata.annotations?.[LIST_DONE] !== 'true')
      throw new KubeError('Invalid', 'the server does not mark the end of a streamed list');
    this.#replace([...initial.values()], metadata.resourceVersion ?? '');
    return true;
  }

  #handle(event: WatchEvent<T>): void {
    const { store } = this.#o;
    if (event.type === 'DELETED') store.remove(event.object);
    else if (event.type !== 'BOOKMARK') store.upsert(trim(event.object));
    this.#reached(event.object.metadata.resourceVersion);
  }

  #replace(items: T[], version: string): void {
    const { store } = this.#o;
    const verdict = judgeList(version, this.#newest, this.#refusals);
    if (verdict === 'refuse') {
      this.#refusals += 1;
      throw this.#doubt(`a list of version ${version} is older than ${this.#newest}, which was seen`);
    }
    if (verdict === 'reset') {
      this.#o.log.error({ kind: this.#o.resource.kind, version, newest: this.#newest }, 'the API server was set back');
      this.#newest = undefined;
    }
    this.#refusals = 0;
    store.replace(this.#part, items, verdict === 'reset');
    this.#listedAt = performance.now();
    this.#reached(version);
  }

  #reached(version: string | undefined): void {
    this.#version = version;
    if (this.#newest === undefined || isOlder(this.#newest, version)) this.#newest = version;
  }
}

/** Nobody needs the managedFields, and they can be half of an object. */
function trim<T extends KubeObject>(object: T): T {
  (object.metadata as { managedFields?: unknown }).managedFields = undefined;
  return object;
}
