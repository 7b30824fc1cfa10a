// SPDX-License-Identifier: Apache-2.0
// Marks: what every collection that an operator reads looked like at one moment, and its replay as a stale API server.
import type { ServerResponse } from 'node:http';
import { request as send } from 'node:https';
import { text } from 'node:stream/consumers';
import type { RequestRecord } from './protocol.ts';
import type { RequestInfo } from './request.ts';
import type { Rule } from './rules.ts';
import type { Listener, ProxyState, Stream, Upstream } from './state.ts';

interface KubeList {
  kind: string;
  apiVersion: string;
  metadata: { resourceVersion?: string };
  items: { kind?: string; apiVersion?: string; metadata?: { resourceVersion?: string } }[];
}

/** One collection as a path with its selectors, whatever else the query says. */
export function collectionOf(info: RequestInfo): string {
  const selectors = new URLSearchParams();
  for (const key of ['labelSelector', 'fieldSelector']) {
    if (info.query[key]) selectors.set(key, info.query[key]);
  }
  return selectors.size > 0 ? `${info.path}?${selectors.toString()}` : info.path;
}

/** Lists now, with the operator's own credentials, each collection that came through the listener so far. */
export async function takeMark(state: ProxyState, listener: Listener, name: string): Promise<string[]> {
  const saved = new Map<string, string>();
  for (const [collection, authorization] of listener.collections) {
    saved.set(collection, await list(state.upstream, collection, authorization));
  }
  state.marks.set(`${listener.name}/${name}`, saved);
  return [...saved.keys()];
}

function list(upstream: Upstream, path: string, authorization: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'application/json', ...(authorization ? { authorization } : {}) };
    const { host, port, agent } = upstream;
    const req = send({ host, port, agent, path, headers, timeout: 10_000 }, (res) => {
      text(res)
        .then((body) => {
          if (res.statusCode === 200) return resolve(body);
          throw new Error(`list of ${path} for a mark: ${res.statusCode} ${body.slice(0, 200)}`);
        })
        .catch(reject);
    });
    req.on('timeout', () => req.destroy(new Error(`list of ${path} for a mark: no answer in 10 s`)));
    req.on('error', reject);
    req.end();
  });
}

export interface Replayed {
  state: ProxyState;
  listener: Listener;
  record: RequestRecord;
  res: ServerResponse;
}

/** Answers a list or watch from the mark; false if the mark does not hold this collection. */
export function replay(x: Replayed, rule: Rule, mark: string): boolean {
  const { state, listener, record, res } = x;
  const saved = state.marks.get(`${listener.name}/${mark}`)?.get(collectionOf(record));
  if (saved === undefined) return false;
  record.faults.push('replay');
  res.writeHead(200, { 'content-type': 'application/json' });
  if (record.verb === 'list') {
    res.end(saved);
    state.close(record, 200);
    return true;
  }
  for (const line of initialEvents(saved, record.query)) res.write(`${line}\n`);
  res.flushHeaders();
  keepOpen(x, rule);
  return true;
}

/** The lines a watch starts with: state first if it was asked for, then the bookmark that ends it. Pure. */
function initialEvents(savedList: string, query: Record<string, string>): string[] {
  const streaming = query.sendInitialEvents === 'true';
  const version = query.resourceVersion ?? '';
  if (!streaming && version !== '' && version !== '0') return [];
  const { items, kind, apiVersion, metadata }: KubeList = JSON.parse(savedList);
  const itemKind = kind.replace(/List$/, '');
  const lines = items.map((item) =>
    JSON.stringify({
      type: 'ADDED',
      object: { ...item, kind: item.kind ?? itemKind, apiVersion: item.apiVersion ?? apiVersion },
    }),
  );
  if (streaming) {
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    const object = { kind: itemKind, apiVersion, metadata: { resourceVersion: metadata.resourceVersion, annotations } };
    lines.push(JSON.stringify({ type: 'BOOKMARK', object }));
  }
  return lines;
}

function keepOpen({ state, listener, record, res }: Replayed, rule: Rule): void {
  const seconds = Number(record.query.timeoutSeconds ?? 300);
  const end = () => res.end();
  const timer = setTimeout(end, seconds * 1000);
  const stream: Stream = {
    info: record,
    client: record.client,
    rules: new Set([rule.id]),
    apply: (fault) => {
      if (fault.kind === 'cut') end();
      if (fault.kind === 'inject') res.write(`${fault.line}\n`);
    },
    end,
  };
  listener.streams.add(stream);
  res.on('close', () => {
    clearTimeout(timer);
    listener.streams.delete(stream);
    state.close(record, 200);
  });
}
