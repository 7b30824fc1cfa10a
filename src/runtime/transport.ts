// SPDX-License-Identifier: Apache-2.0
// Requests to the API server: pools that do not wait for each other, deadlines, honest errors, patience when asked for, a fence before every write.
import { Agent, type Dispatcher } from 'undici';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { KubeAuth } from './auth.ts';
import { backoffMs } from './backoff.ts';
import { MAX_TIMER_MS, pause, unlessAborted, within } from './deadline.ts';
import { dialer } from './dial.ts';
import { errorOfResponse, errorOfTransport, KubeError } from './errors.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Deadline of the whole call with its repeats, in milliseconds; default 10,000. */
  readonly timeoutMs?: number;
  /**
   * For the Lease itself: not subject to the fence that it makes, nor kept back by a Retry-After that others earned, nor
   * by the connections that they keep busy. A leader that falls silent loses its lease, and its successor knows of no window.
   */
  readonly lane?: 'election';
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** Whether this process may write. */
export interface Fence {
  /** Throws KubeError `Fenced` when it may not. */
  check(): void;
  /** Milliseconds until `check` begins to throw. */
  remainingMs(): number;
}

const OPEN: Fence = { check: () => undefined, remainingMs: () => Number.POSITIVE_INFINITY };
const DEFAULT_TIMEOUT_MS = 10_000;
const TRIES = 4;
/** Calls at the same time; more of them wait. */
const CONNECTIONS = 64;
/** How long a connection is kept for the next request. Calls come many at once, and then hardly at all. */
const KEPT_MS = 30_000;
const KEPT_BY_CALLS_MS = 10_000;
const BACKOFF = { firstMs: 100, maxMs: 2_000 };

interface Sending {
  readonly agent: Agent;
  readonly signal: AbortSignal;
  readonly fence: Fence;
  /** Its name in the metrics. */
  readonly method: string;
}

interface Guarded extends Dispatcher.RequestOptions {
  mayStart(): void;
}

/**
 * Asks `mayStart` in the moment in which the first byte of a request is due, and sends nothing if that throws: until then a
 * request may wait for a connection, and the whole process may stand still.
 */
class GuardedAgent extends Agent {
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const start = handler.onRequestStart?.bind(handler);
    handler.onRequestStart = (controller, context) => {
      (options as Guarded).mayStart();
      start?.(controller, context);
    };
    return super.dispatch(options, handler);
  }
}

export class Transport {
  readonly #auth: KubeAuth;
  readonly #metrics: Metrics | undefined;
  readonly #log: Logger | undefined;
  /**
   * Each with its own connections. Watches hold theirs for a long time, and many namespaces would leave none for calls; and
   * a renewal of the Lease must not queue behind slow writes.
   */
  readonly #agents: { readonly common: Agent; readonly election: Agent; readonly watches: Agent };
  #fence = OPEN;
  /** Monotonic time until which the server asked us to stay away. */
  readonly #quietUntil = { common: 0, election: 0 };

  constructor(o: { auth: KubeAuth; log?: Logger; metrics?: Metrics }) {
    this.#auth = o.auth;
    this.#log = o.log;
    this.#metrics = o.metrics;
    const pool = {
      connect: dialer(o.auth),
      keepAliveTimeout: KEPT_MS,
      bodyTimeout: 0,
      headersTimeout: 0,
      allowH2: false,
    };
    this.#agents = {
      common: new GuardedAgent({ ...pool, connections: CONNECTIONS, keepAliveTimeout: KEPT_BY_CALLS_MS }),
      election: new GuardedAgent(pool),
      watches: new GuardedAgent(pool),
    };
  }

  setFence(fence: Fence): void {
    this.#fence = fence;
  }

  /**
   * One answered request, as JSON. Reads are repeated within the deadline; writes only when the server said that it did not
   * look at them. A write ends when the fence closes.
   */
  async call<T>(request: Request, o: CallOptions = {}): Promise<T> {
    const fence = request.method === 'GET' || o.lane === 'election' ? OPEN : this.#fence;
    fence.check();
    const ms = o.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const until = performance.now() + ms;
    return within(ms, o.signal, (deadline) =>
      whileOpen(fence, deadline, async (signal) => {
        for (let attempt = 1; ; attempt += 1) {
          try {
            await this.#quiet(o.lane, signal, until);
            return await this.#once<T>(request, { lane: o.lane, signal, fence });
          } catch (e) {
            const error = errorOfTransport(signal.aborted ? (signal.reason ?? e) : e);
            const wait = error.retryAfterMs ?? backoffMs(attempt - 1, BACKOFF, Math.random);
            if (!mayRepeat(request, error, attempt) || signal.aborted || performance.now() + wait > until) throw error;
            this.#log?.debug({ path: request.path, code: error.code, attempt }, 'asking again');
            await pause(wait, signal);
          }
        }
      }),
    );
  }

  /** Opens an answer without an end; the caller ends it by the signal. `sending` is called when no Retry-After is in the way. */
  async open(request: Request, signal: AbortSignal, sending: () => void): Promise<AsyncIterable<Uint8Array>> {
    await this.#quiet(undefined, signal, Number.POSITIVE_INFINITY);
    sending();
    const response = await this.#send(request, { agent: this.#agents.watches, signal, fence: OPEN, method: 'WATCH' });
    if (response.statusCode !== 200) throw await this.#refusal(response, undefined);
    return response.body as AsyncIterable<Uint8Array>;
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#agents).map((agent) => agent.destroy()));
  }

  async #once<T>(request: Request, o: { lane: CallOptions['lane']; signal: AbortSignal; fence: Fence }): Promise<T> {
    const agent = this.#agents[o.lane ?? 'common'];
    const response = await this.#send(request, { agent, signal: o.signal, fence: o.fence, method: request.method });
    if (response.statusCode >= 300) throw await this.#refusal(response, o.lane);
    return (await response.body.json()) as T;
  }

  async #send(request: Request, o: Sending): Promise<Dispatcher.ResponseData> {
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': 'quorate',
      ...(await this.#auth.headers()),
    };
    if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
    const url = new URL(this.#auth.server + request.path);
    for (const [k, v] of Object.entries(request.query ?? {})) url.searchParams.set(k, v);
    const guarded: Guarded = {
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers,
      signal: o.signal,
      mayStart: () => {
        o.fence.check();
        o.signal.throwIfAborted();
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    };
    const started = performance.now();
    let status: number | 'none' = 'none';
    try {
      // undici looks at the signal of a request that waits for a connection only when it has one.
      const response = await unlessAborted(o.agent.request(guarded), o.signal);
      status = response.statusCode;
      return response;
    } finally {
      this.#metrics?.request(o.method, status, performance.now() - started);
    }
  }

  async #refusal(response: Dispatcher.ResponseData, lane: CallOptions['lane']): Promise<KubeError> {
    const status = response.statusCode;
    const retryAfter = response.headers['retry-after'];
    const error = errorOfResponse(status, await response.body.text(), [retryAfter].flat()[0]);
    if (status === 401) this.#auth.refused();
    if (error.retryAfterMs !== undefined && (status === 429 || status === 503)) {
      const window = lane ?? 'common';
      this.#quietUntil[window] = Math.max(this.#quietUntil[window], performance.now() + error.retryAfterMs);
    }
    return error;
  }

  /**
   * Waits a Retry-After window out, also one that grows meanwhile, or says at once that it is longer than the caller can
   * wait: nothing was sent then.
   */
  async #quiet(lane: CallOptions['lane'], signal: AbortSignal, until: number): Promise<void> {
    for (;;) {
      const end = this.#quietUntil[lane ?? 'common'];
      const ms = end - performance.now();
      if (ms <= 0) return;
      if (end > until)
        throw new KubeError('TooManyRequests', 'the API server asked for patience: nothing was sent', {
          retryAfterMs: ms,
        });
      await pause(ms, signal);
    }
  }
}

/** Runs with a signal that also fires when the fence closes; as long as the lease is renewed, it does not. */
async function whileOpen<T>(fence: Fence, outer: AbortSignal, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  if (fence === OPEN) return run(outer);
  const own = new AbortController();
  const pass = (): void => own.abort(outer.reason);
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    const ms = fence.remainingMs();
    if (ms > 0) timer = setTimeout(watch, Math.min(ms, MAX_TIMER_MS));
    else own.abort(new KubeError('Timeout', 'leadership ended before there was an answer'));
  };
  watch();
  outer.addEventListener('abort', pass, { once: true });
  if (outer.aborted) pass();
  try {
    return await run(own.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', pass);
  }
}

/** Only what changes nothing is repeated blindly, and what the server refused to look at. */
function mayRepeat(request: Request, error: KubeError, attempt: number): boolean {
  if (attempt >= TRIES) return false;
  if (error.code === 'TooManyRequests') return true;
  return request.method === 'GET' && (error.code === 'Unavailable' || error.code === 'Timeout');
}
