// SPDX-License-Identifier: Apache-2.0
// The proxy's control API: JSON over HTTP, published on the loopback of the machine that runs the tests.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { closeListener, openListener, setDown } from './listeners.ts';
import type {
  HeldRequest,
  ListenerInfo,
  ListenerSpec,
  MarkInfo,
  MarkSpec,
  RequestRecord,
  RuleState,
} from './protocol.ts';
import { takeMark } from './replay.ts';
import type { Rule, RuleSpec } from './rules.ts';
import type { Listener, ProxyState } from './state.ts';

interface Call {
  state: ProxyState;
  id: string;
  query: URLSearchParams;
  body: string;
}

class NotFound extends Error {}

const routes: Record<string, (call: Call, tls: TlsPaths) => unknown> = {
  'GET /healthz': () => ({ ok: true }),
  'GET /listeners': ({ state }) => [...state.listeners.values()].map(listenerInfo),
  'POST /listeners': async ({ state, body }, tls) => {
    const spec: ListenerSpec = JSON.parse(body);
    return listenerInfo(await openListener(state, spec, tls));
  },
  'DELETE /listeners': ({ state, id }) => closeListener(state, listenerOf(state, id)),
  'PUT /listeners': async ({ state, id, body }) => {
    const { down }: { down: boolean } = JSON.parse(body);
    return listenerInfo(await setDown(listenerOf(state, id), down));
  },
  'POST /rules': ({ state, body }) => {
    const spec: RuleSpec = JSON.parse(body);
    return ruleState(state, state.addRule(spec));
  },
  'GET /rules': ({ state, id, query }) => {
    const rule = ruleOf(state, id);
    const hits = Number(query.get('hits') ?? 0);
    return state.wait(() => (rule.hits >= hits ? ruleState(state, rule) : undefined), waitOf(query));
  },
  'DELETE /rules': ({ state, id, query }) => {
    const listener = query.get('listener');
    const ids = listener
      ? [...state.rules.values()].filter((r) => r.spec.listener === listener).map((r) => r.id)
      : [id];
    for (const each of ids) state.removeRule(each);
  },
  'GET /held': ({ state, query }) => state.wait(() => takeHeld(state, query.get('rule')), waitOf(query)),
  'POST /held': ({ state, id, body }) => {
    const { outcome }: { outcome: 'release' | 'drop' } = JSON.parse(body);
    const hold = state.holds.get(id);
    if (!hold) throw new NotFound(`no held request ${id}: its caller is gone or its rule was removed`);
    hold.settle(outcome);
  },
  'POST /marks': async ({ state, body }): Promise<MarkInfo> => {
    const { listener, name }: MarkSpec = JSON.parse(body);
    return { listener, name, collections: await takeMark(state, listenerOf(state, listener), name) };
  },
  'GET /requests': ({ state, query }) => requests(state, query),
  'DELETE /requests': ({ state, query }) => {
    const listener = query.get('listener');
    state.records = state.records.filter((record) => record.listener !== listener || record.status === undefined);
  },
};

/** Files of the server's certificate; they are read by the listeners. */
export interface TlsPaths {
  cert: string;
  key: string;
  /** First port of the operators' listeners. */
  firstPort: number;
}

export function controlServer(state: ProxyState, tls: TlsPaths): Server {
  return createServer((req, res) => {
    serve(state, tls, req).then(
      (result) => reply(res, result === undefined ? 204 : 200, result),
      (error: Error) => reply(res, error instanceof NotFound ? 404 : 400, { error: error.message }),
    );
  });
}

async function serve(state: ProxyState, tls: TlsPaths, req: IncomingMessage): Promise<unknown> {
  const url = new URL(req.url ?? '/', 'http://control');
  const [, kind = '', id = ''] = url.pathname.split('/');
  const route = routes[`${req.method} /${kind}`];
  if (!route) throw new NotFound(`no ${req.method} ${url.pathname}`);
  const body = await text(req);
  return route({ state, id: decodeURIComponent(id), query: url.searchParams, body }, tls);
}

function reply(res: ServerResponse, code: number, result: unknown): void {
  res.writeHead(code, { 'content-type': 'application/json' });
  res.end(result === undefined ? undefined : JSON.stringify(result));
}

function waitOf(query: URLSearchParams): number {
  return Math.min(Number(query.get('wait') ?? 0), 120_000);
}

function listenerOf(state: ProxyState, name: string): Listener {
  const listener = state.listeners.get(name);
  if (!listener) throw new NotFound(`no listener ${name}`);
  return listener;
}

function ruleOf(state: ProxyState, id: string): Rule {
  const rule = state.rules.get(id);
  if (!rule) throw new NotFound(`no rule ${id}`);
  return rule;
}

function listenerInfo({ name, bodies, port, down }: Listener): ListenerInfo {
  return { name, port, down, ...(bodies === undefined ? {} : { bodies }) };
}

function ruleState(state: ProxyState, rule: Rule): RuleState {
  let streams = 0;
  for (const stream of state.listeners.get(rule.spec.listener)?.streams ?? [])
    if (stream.rules.has(rule.id)) streams += 1;
  const { id, spec, seen, hits } = rule;
  return { id, spec, seen, hits, streams };
}

/** Each held request is reported once. */
function takeHeld(state: ProxyState, rule: string | null): HeldRequest | undefined {
  for (const hold of state.holds.values()) {
    if (hold.taken || (rule !== null && hold.rule !== rule)) continue;
    hold.taken = true;
    const { id, at, request } = hold;
    return { id, rule: hold.rule, at, request };
  }
  return undefined;
}

function requests(state: ProxyState, query: URLSearchParams): RequestRecord[] {
  const listener = query.get('listener');
  const after = Number(query.get('after') ?? 0);
  return state.records.filter((record) => record.id > after && (listener === null || record.listener === listener));
}
