// SPDX-License-Identifier: Apache-2.0
// What a test says to the fault proxy, typed: one `ProxyListener` per operator instance.
import { Agent, type Dispatcher, request } from 'undici';
import type { HeldRequest, ListenerInfo, MarkInfo, RequestRecord, RuleState } from './protocol.ts';
import { type RequestInfo, writeVerbs } from './request.ts';
import { type Fault, type Match, matchesRequest, type RuleSpec } from './rules.ts';

export class ProxyClient {
  private readonly base: string;
  private readonly dispatcher = new Agent({ bodyTimeout: 130_000, headersTimeout: 130_000 });

  /** `base`: the control API, such as `http://127.0.0.1:32768`. */
  constructor(base: string) {
    this.base = base;
  }

  /** Opens a port of its own for one operator instance. */
  async listen(name: string, options: { bodies?: boolean } = {}): Promise<ProxyListener> {
    const info = await this.call<ListenerInfo>('POST', '/listeners', { name, ...options });
    return new ProxyListener(this, info);
  }

  listeners(): Promise<ListenerInfo[]> {
    return this.call('GET', '/listeners');
  }

  async close(): Promise<void> {
    await this.dispatcher.close();
  }

  /** Throws with the proxy's own message on any answer but 2xx; a 204 gives null. */
  async call<T>(method: Dispatcher.HttpMethod, path: string, body?: unknown): Promise<T> {
    const { statusCode, body: reply } = await request(`${this.base}${path}`, {
      method,
      dispatcher: this.dispatcher,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await reply.text();
    if (statusCode >= 300) throw new Error(`fault proxy: ${method} ${path}: ${statusCode} ${text}`);
    const value: T = JSON.parse(text === '' ? 'null' : text);
    return value;
  }
}

export type RuleOptions = Pick<RuleSpec, 'skip' | 'every' | 'times' | 'oncePerObject'>;

export class ProxyListener {
  readonly name: string;
  /** TCP port on the proxy's address in the node network. */
  readonly port: number;
  private readonly proxy: ProxyClient;
  private since = 0;

  constructor(proxy: ProxyClient, info: ListenerInfo) {
    this.proxy = proxy;
    this.name = info.name;
    this.port = info.port;
  }

  /** Puts a fault in force for every request (or event) that matches, until the rule is removed. */
  async rule(match: Match, fault: Fault, options: RuleOptions = {}): Promise<FaultRule> {
    const spec: RuleSpec = { listener: this.name, match, fault, ...options };
    const { id } = await this.proxy.call<RuleState>('POST', '/rules', spec);
    return new FaultRule(this.proxy, id);
  }

  async clearRules(): Promise<void> {
    await this.proxy.call('DELETE', `/rules?listener=${encodeURIComponent(this.name)}`);
  }

  /** Remembers what each collection read so far looks like now, for the fault `replay`. */
  mark(name: string): Promise<MarkInfo> {
    return this.proxy.call('POST', '/marks', { listener: this.name, name });
  }

  /** The API server goes away for this operator: connections are cut and refused. */
  async down(): Promise<void> {
    await this.proxy.call('PUT', `/listeners/${encodeURIComponent(this.name)}`, { down: true });
  }

  async up(): Promise<void> {
    await this.proxy.call('PUT', `/listeners/${encodeURIComponent(this.name)}`, { down: false });
  }

  /** Every request since the last `forget`, oldest first, that matches. */
  async requests(match: Match = {}): Promise<RequestRecord[]> {
    const query = new URLSearchParams({ listener: this.name, after: String(this.since) });
    const records = await this.proxy.call<RequestRecord[]>('GET', `/requests?${query.toString()}`);
    return records.filter((record) => matchesRequest(match, record, record.client));
  }

  /** Writes since the last `forget`; the lease of the leader election and Events do not count. */
  async writes(match: Match = {}): Promise<RequestRecord[]> {
    const records = await this.requests({ verb: writeVerbs, ...match });
    return records.filter(({ resource }) => resource !== 'leases' && resource !== 'events');
  }

  /** Starts counting anew. */
  async forget(): Promise<void> {
    const all = await this.requests();
    this.since = all.at(-1)?.id ?? this.since;
  }

  async close(): Promise<void> {
    await this.proxy.call('DELETE', `/listeners/${encodeURIComponent(this.name)}`);
  }
}

export class FaultRule {
  readonly id: string;
  private readonly proxy: ProxyClient;

  constructor(proxy: ProxyClient, id: string) {
    this.proxy = proxy;
    this.id = id;
  }

  state(): Promise<RuleState> {
    return this.proxy.call('GET', `/rules/${this.id}`);
  }

  /** Waits until the fault has struck so often; throws after `timeoutMs` milliseconds. */
  async struck(hits: number, timeoutMs: number): Promise<RuleState> {
    const state = await this.proxy.call<RuleState | null>('GET', `/rules/${this.id}?hits=${hits}&wait=${timeoutMs}`);
    if (state) return state;
    const { seen, hits: so, spec } = await this.state();
    const rule = JSON.stringify({ match: spec.match, fault: spec.fault });
    throw new Error(
      `the fault struck ${so} times instead of ${hits} within ${timeoutMs} ms (${seen} matches): ${rule}`,
    );
  }

  /** Waits for the next request that this rule (a `hold`) has paused; throws after `timeoutMs` milliseconds. */
  async held(timeoutMs: number): Promise<Held> {
    const held = await this.proxy.call<HeldRequest | null>('GET', `/held?rule=${this.id}&wait=${timeoutMs}`);
    if (!held)
      throw new Error(
        `no request was held within ${timeoutMs} ms by rule ${JSON.stringify((await this.state()).spec)}`,
      );
    return new Held(this.proxy, held);
  }

  /** Ends the fault: what it holds goes on, and watches that it froze or fed are cut. */
  async remove(): Promise<void> {
    await this.proxy.call('DELETE', `/rules/${this.id}`);
  }
}

export class Held {
  readonly request: RequestRecord;
  private readonly proxy: ProxyClient;
  private readonly id: string;

  constructor(proxy: ProxyClient, held: HeldRequest) {
    this.proxy = proxy;
    this.request = held.request;
    this.id = held.id;
  }

  async release(): Promise<void> {
    await this.proxy.call('POST', `/held/${this.id}`, { outcome: 'release' });
  }

  /** Cuts the connection: held before forwarding, the server never sees the request; held after, its answer is lost. */
  async drop(): Promise<void> {
    await this.proxy.call('POST', `/held/${this.id}`, { outcome: 'drop' });
  }
}

/** `create services orders-0` and the like, for comparisons and messages. */
export function describeRequest(info: Pick<RequestInfo, 'verb' | 'resource' | 'subresource' | 'name'>): string {
  const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
  return [info.verb, resource, info.name].filter(Boolean).join(' ');
}
