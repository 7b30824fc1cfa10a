// SPDX-License-Identifier: Apache-2.0
// A small typed client for the Kubernetes API: one connection pool, deadlines, honest errors, a fence before every write.
import { Agent, type Dispatcher, fetch as undiciFetch } from 'undici';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { KubeAuth } from './auth.ts';
import { errorOfResponse, errorOfTransport, KubeError } from './errors.ts';
import type { KubeObject, Ref } from './json.ts';
import { apiVersionOf, pathOf, type Resource } from './resources.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Deadline of the whole call with its repeats, in milliseconds; default 10,000. */
  readonly timeoutMs?: number;
}

export interface ListQuery {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface DeleteOptions {
  readonly uid: string;
  readonly resourceVersion?: string;
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly body?: unknown;
  readonly contentType?: string;
}

export interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: T[];
}

const FIELD_MANAGER = 'quorate';
const DEFAULT_TIMEOUT_MS = 10_000;
const PAGE = '500';
/** Not kept back by a Retry-After: a leader that falls silent loses its lease, and its successor knows of no window. */
const ELECTION = '/apis/coordination.k8s.io/';
const READ_TRIES = 4;

export class KubeClient {
  readonly #auth: KubeAuth;
  readonly #metrics: Metrics | undefined;
  readonly #log: Logger | undefined;
  readonly #agent: Agent;
  /** Watches hold their connections for minutes: a pool of their own, or many namespaces leave none for calls. */
  readonly #watches: Agent;
  /** Called before every write; throws KubeError `Fenced` when this process may no longer write. */
  #fence: () => void = () => undefined;
  /** Monotonic time until which the server asked us to stay away. */
  #quietUntil = 0;

  constructor(o: { auth: KubeAuth; log?: Logger; metrics?: Metrics }) {
    this.#auth = o.auth;
    this.#log = o.log;
    this.#metrics = o.metrics;
    const pool = {
      connect: { ...o.auth.tls, timeout: 5_000, keepAlive: true, keepAliveInitialDelay: 15_000 },
      keepAliveTimeout: 30_000,
      bodyTimeout: 0,
      headersTimeout: 0,
      allowH2: false,
    };
    this.#agent = new Agent({ ...pool, connections: 64 });
    this.#watches = new Agent(pool);
  }

  setFence(fence: () => void): void {
    this.#fence = fence;
  }

  async get<T extends KubeObject>(r: Resource<T>, ref: Ref, o: CallOptions = {}): Promise<T> {
    return this.#call({ method: 'GET', path: pathOf(r, ref.namespace, ref.name) }, o);
  }

  /** A live read; undefined when there is no such object. */
  async find<T extends KubeObject>(r: Resource<T>, ref: Ref, o: CallOptions = {}): Promise<T | undefined> {
    try {
      return await this.get(r, ref, o);
    } catch (e) {
      if (e instanceof KubeError && e.code === 'NotFound') return undefined;
      throw e;
    }
  }

  /** Everything, page by page, from the newest state. */
  async list<T extends KubeObject>(r: Resource<T>, q: ListQuery, o: CallOptions = {}): Promise<T[]> {
    const items: T[] = [];
    let next: string | undefined;
    do {
      const page: ListPage<T> = await this.listPage(r, q, next, o);
      for (const item of page.items) items.push(item);
      next = page.metadata.continue;
    } while (next !== undefined && next !== '');
    return items;
  }

  async listPage<T extends KubeObject>(
    r: Resource<T>,
    q: ListQuery,
    next: string | undefined,
    o: CallOptions,
  ): Promise<ListPage<T>> {
    const query = { ...selectors(q), limit: PAGE, ...(next === undefined ? {} : { continue: next }) };
    return this.#call({ method: 'GET', path: pathOf(r, q.namespace), query }, o);
  }

  async create<T extends KubeObject>(r: Resource<T>, object: T, o: CallOptions = {}): Promise<T> {
    const path = pathOf(r, object.metadata.namespace);
    const body = { ...object, apiVersion: apiVersionOf(r), kind: r.kind };
    return this.#write({ method: 'POST', path, query: { fieldManager: FIELD_MANAGER }, body }, o);
  }

  /** Server-side apply; `metadata.uid` and `metadata.resourceVersion` act as preconditions. */
  async apply<T extends KubeObject>(
    r: Resource<T>,
    object: T,
    o: CallOptions & { readonly force?: boolean; readonly subresource?: 'status' | 'scale' } = {},
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const body = { ...object, apiVersion: apiVersionOf(r), kind: r.kind };
    const query = { fieldManager: FIELD_MANAGER, force: String(o.force ?? true) };
    const path = pathOf(r, namespace, name, o.subresource);
    return this.#write({ method: 'PATCH', path, query, body, contentType: 'application/apply-patch+yaml' }, o);
  }

  /** PUT; needs the resourceVersion that was read. */
  async update<T extends KubeObject>(
    r: Resource<T>,
    object: T,
    o: CallOptions & { readonly subresource?: 'status' } = {},
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const body = { ...object, apiVersion: apiVersionOf(r), kind: r.kind };
    const path = pathOf(r, namespace, name, o.subresource);
    return this.#write({ method: 'PUT', path, query: { fieldManager: FIELD_MANAGER }, body }, o);
  }

  /** JSON merge patch. */
  async patch<T extends KubeObject>(r: Resource<T>, ref: Ref, merge: object, o: CallOptions = {}): Promise<T> {
    const path = pathOf(r, ref.namespace, ref.name);
    const query = { fieldManager: FIELD_MANAGER };
    return this.#write({ method: 'PATCH', path, query, body: merge, contentType: 'application/merge-patch+json' }, o);
  }

  /** Succeeds when the object is gone already; a precondition that does not hold is a `Conflict`. */
  async delete<T extends KubeObject>(r: Resource<T>, ref: Ref, pre: DeleteOptions, o: CallOptions = {}): Promise<void> {
    const preconditions = {
      uid: pre.uid,
      ...(pre.resourceVersion === undefined ? {} : { resourceVersion: pre.resourceVersion }),
    };
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      preconditions,
      propagationPolicy: pre.propagation ?? 'Background',
    };
    try {
      await this.#write({ method: 'DELETE', path: pathOf(r, ref.namespace, ref.name), body }, o);
    } catch (e) {
      if (!(e instanceof KubeError && e.code === 'NotFound')) throw e;
    }
  }

  /** Opens a watch and returns its body; the caller ends it by the signal. */
  async watch<T extends KubeObject>(r: Resource<T>, q: ListQuery, extra: Record<string, string>, signal: AbortSignal) {
    await this.#quiet(signal);
    const query = { ...selectors(q), ...extra, watch: 'true', allowWatchBookmarks: 'true' };
    const response = await this.#send({ method: 'GET', path: pathOf(r, q.namespace), query }, signal, this.#watches);
    if (response.status !== 200 || response.body === null) throw await this.#refusal(response);
    return response.body;
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#watches.destroy()]);
  }

  async #write<T>(request: Request, o: CallOptions): Promise<T> {
    this.#fence();
    return this.#call(request, o);
  }

  async #call<T>(request: Request, o: CallOptions): Promise<T> {
    const deadline = AbortSignal.timeout(o.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const signal = o.signal === undefined ? deadline : AbortSignal.any([o.signal, deadline]);
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (!request.path.startsWith(ELECTION)) await this.#quiet(signal);
        if (request.method !== 'GET') this.#fence();
        return await this.#once<T>(request, signal);
      } catch (e) {
        const error = errorOfTransport(e);
        if (!mayRepeat(request, error, attempt) || signal.aborted) throw error;
        this.#log?.debug({ path: request.path, code: error.code, attempt }, 'asking again');
        await pause(error.retryAfterMs ?? 50 * 2 ** attempt, signal).catch(() => Promise.reject(error));
      }
    }
  }

  async #once<T>(request: Request, signal: AbortSignal): Promise<T> {
    const started = performance.now();
    const response = await this.#send(request, signal);
    if (response.status >= 300) throw await this.#refusal(response);
    const body = (await response.json()) as T;
    this.#metrics?.request(request.method, response.status, performance.now() - started);
    return body;
  }

  async #send(request: Request, signal: AbortSignal, dispatcher: Dispatcher = this.#agent) {
    const url = new URL(this.#auth.server + request.path);
    for (const [k, v] of Object.entries(request.query ?? {})) url.searchParams.set(k, v);
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': 'quorate',
      ...(await this.#auth.headers()),
    };
    if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    return undiciFetch(url, {
      method: request.method,
      headers,
      dispatcher,
      signal,
      ...(body === undefined ? {} : { body }),
    });
  }

  async #refusal(response: { status: number; headers: { get(name: string): string | null }; text(): Promise<string> }) {
    const error = errorOfResponse(
      response.status,
      await response.text(),
      response.headers.get('retry-after') ?? undefined,
    );
    if (error.retryAfterMs !== undefined && response.status === 429) {
      this.#quietUntil = Math.max(this.#quietUntil, performance.now() + error.retryAfterMs);
    }
    return error;
  }

  /** Inside a Retry-After window nothing is sent but the lease. */
  async #quiet(signal: AbortSignal): Promise<void> {
    const ms = this.#quietUntil - performance.now();
    if (ms > 0) await pause(ms, signal);
  }
}

/** Only what changes nothing is repeated blindly, and what the server refused to look at. */
function mayRepeat(request: Request, error: KubeError, attempt: number): boolean {
  if (error.code === 'Fenced' || attempt >= READ_TRIES) return false;
  if (error.code === 'TooManyRequests') return true;
  return request.method === 'GET' && (error.code === 'Unavailable' || error.code === 'Timeout');
}

function selectors(q: ListQuery): Record<string, string> {
  return {
    ...(q.labelSelector === undefined ? {} : { labelSelector: q.labelSelector }),
    ...(q.fieldSelector === undefined ? {} : { fieldSelector: q.fieldSelector }),
  };
}

/** Rejects with a Timeout as soon as the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new KubeError('Timeout', 'the deadline passed while waiting'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
