// SPDX-License-Identifier: Apache-2.0
// The fault proxy against the real API server: each fault does to a caller what it says, and no more.
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configMaps } from '../../src/runtime/resources.ts';
import { ensureProxyCertificate } from '../testbed/proxy/certificate.ts';
import type { ProxyListener } from '../testbed/proxy/client.ts';
import { PROXY_ADDRESS } from '../testbed/proxy/container.ts';
import { type LocalProxy, startLocalProxy } from '../testbed/proxy/local.ts';
import { kubeconfigFile, pki } from './harness/files.ts';
import { Kube, linesOf } from './harness/kube.ts';
import { namespaces, serviceAccounts } from './harness/resources.ts';

const namespace = `proxy-${Math.random().toString(36).slice(2, 8)}`;
const collection = `/api/v1/namespaces/${namespace}/configmaps`;

let kube: Kube;
let proxy: LocalProxy;
let listener: ProxyListener;
let token = '';
let dispatcher: Agent;

beforeAll(async () => {
  kube = await Kube.fromKubeconfig(kubeconfigFile);
  await kube.create(namespaces, { metadata: { name: namespace } });
  await kube.create(serviceAccounts, { metadata: { name: 'caller', namespace } });
  await kube.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: caller, namespace: ${namespace}}
rules: [{apiGroups: [""], resources: [configmaps], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: caller, namespace: ${namespace}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: caller}
subjects: [{kind: ServiceAccount, name: caller, namespace: ${namespace}}]
`);
  const minted = await kube.call<{ status: { token: string } }>(
    'POST',
    `/api/v1/namespaces/${namespace}/serviceaccounts/caller/token`,
    { body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} } },
  );
  token = minted.status.token;
  await ensureProxyCertificate(pki, [PROXY_ADDRESS, '127.0.0.1']);
  const [ca = '', cert = '', key = ''] = ['ca.crt', 'fault-proxy.crt', 'fault-proxy.key'].map((file) =>
    path.join(pki, file),
  );
  proxy = await startLocalProxy({
    upstream: kube.server,
    ca,
    cert,
    key,
    controlPort: 18080,
    firstPort: 18443,
  });
  listener = await proxy.client.listen(namespace, { bodies: true });
  dispatcher = new Agent({ connect: { ca: readFileSync(path.join(pki, 'ca.crt')) }, bodyTimeout: 0 });
});

afterAll(async () => {
  await dispatcher.destroy();
  await proxy[Symbol.asyncDispose]();
  await kube.delete(namespaces, { name: namespace });
  await kube.close();
});

const cut = /closed|ECONNRESET/;

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

async function ask(
  method: 'GET' | 'POST' | 'DELETE' | 'PATCH',
  target: string,
  body?: object,
  signal?: AbortSignal,
): Promise<Answer> {
  const reply = await request(`https://127.0.0.1:${listener.port}${target}`, {
    method,
    dispatcher,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
    ...(signal ? { signal } : {}),
  });
  return { status: reply.statusCode, headers: reply.headers, text: await reply.body.text() };
}

const make = (name: string) => ask('POST', collection, { metadata: { name } });
const there = async (name: string) => (await kube.find(configMaps, { namespace, name })) !== undefined;

interface OpenWatch {
  /** Each line as it was received. */
  lines: string[];
  /** Waits until so many lines have come. */
  line(count: number): Promise<void>;
  ended: Promise<void>;
  close(): void;
}

async function watch(query: string): Promise<OpenWatch> {
  const controller = new AbortController();
  const { body, statusCode } = await request(`https://127.0.0.1:${listener.port}${collection}?watch=true&${query}`, {
    dispatcher,
    signal: controller.signal,
    headers: { authorization: `Bearer ${token}` },
  });
  expect(statusCode).toBe(200);
  const lines: string[] = [];
  const received = new EventEmitter();
  const read = async () => {
    for await (const line of linesOf(body)) {
      lines.push(line);
      received.emit('line');
    }
  };
  const ended = read().catch(() => undefined);
  return {
    lines,
    ended,
    line: async (count) => {
      while (lines.length < count) await once(received, 'line', { signal: AbortSignal.timeout(5000) });
    },
    close: () => controller.abort(),
  };
}

const namesIn = (lines: string[]) =>
  lines.map((text) => {
    const { type, object }: { type: string; object: { metadata: { name?: string } } } = JSON.parse(text);
    return `${type} ${object.metadata.name}`;
  });

async function version(): Promise<string> {
  const { metadata } = await kube.call<{ metadata: { resourceVersion: string } }>('GET', collection);
  return metadata.resourceVersion;
}

describe('requests', () => {
  test('every request is recorded with verb, resource, name, caller, status and body', async () => {
    await listener.forget();
    await make('seen');
    await ask('GET', `${collection}/absent`);
    const [created, missed] = await listener.requests({ namespace });
    expect(created).toMatchObject({
      verb: 'create',
      resource: 'configmaps',
      name: 'seen',
      status: 201,
      serverStatus: 201,
      faults: [],
    });
    expect(created).toMatchObject({ client: '127.0.0.1', body: JSON.stringify({ metadata: { name: 'seen' } }) });
    expect(created?.durationMs).toBeLessThan(5000);
    expect(missed).toMatchObject({ verb: 'get', name: 'absent', status: 404 });
  });

  test('a delayed request is answered that much later', async () => {
    const rule = await listener.rule({ verb: 'create', name: 'late' }, { kind: 'delay', ms: 400 });
    const start = performance.now();
    expect((await make('late')).status).toBe(201);
    expect(performance.now() - start).toBeGreaterThan(400);
    await rule.remove();
  });

  test('a reset request never reaches the server', async () => {
    const rule = await listener.rule({ verb: 'create', name: 'reset' }, { kind: 'reset' });
    await expect(make('reset')).rejects.toThrow(cut);
    expect(await there('reset')).toBe(false);
    expect((await rule.state()).hits).toBe(1);
    await rule.remove();
    expect((await make('reset')).status).toBe(201);
  });

  test('an answered status carries code, reason and Retry-After, once if so asked', async () => {
    const fault = { kind: 'status', code: 429, reason: 'TooManyRequests', retryAfterSeconds: 7 } as const;
    const rule = await listener.rule({ verb: 'create', name: 'busy' }, fault, { times: 1 });
    const refused = await make('busy');
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '7' } });
    expect(JSON.parse(refused.text)).toMatchObject({ kind: 'Status', reason: 'TooManyRequests', code: 429 });
    expect(await there('busy')).toBe(false);
    expect((await make('busy')).status).toBe(201);
    await rule.remove();
  });

  test('a lost reply leaves the object applied and the caller without an answer', async () => {
    const rule = await listener.rule({ verb: 'create', name: 'lost' }, { kind: 'lose-reply' });
    await expect(make('lost')).rejects.toThrow(cut);
    expect(await there('lost')).toBe(true);
    const [record] = await listener.requests({ name: 'lost' });
    expect(record).toMatchObject({ status: 0, serverStatus: 201, faults: ['lose-reply'] });
    await rule.remove();
  });

  test('a request held before forwarding is applied only when released', async () => {
    const rule = await listener.rule({ verb: 'create', name: 'held' }, { kind: 'hold', at: 'request' });
    const answer = make('held');
    const held = await rule.held(5000);
    expect(held.request).toMatchObject({ verb: 'create', name: 'held' });
    expect(await there('held')).toBe(false);
    await held.release();
    expect((await answer).status).toBe(201);
    await rule.remove();
  });

  test('a request whose caller dies while it is held never reaches the server', async () => {
    const rule = await listener.rule({ verb: 'create', name: 'orphan' }, { kind: 'hold', at: 'request' });
    const caller = new AbortController();
    const answer = ask('POST', collection, { metadata: { name: 'orphan' } }, caller.signal);
    const held = await rule.held(5000);
    caller.abort();
    await expect(answer).rejects.toThrow('aborted');
    await expect.poll(() => listener.requests({ name: 'orphan' }), { timeout: 8_000 }).toMatchObject([{ status: 0 }]);
    await expect(held.release()).rejects.toThrow('no held request');
    expect(await there('orphan')).toBe(false);
    await rule.remove();
  });

  test('a held reply belongs to a request that the server has applied', async () => {
    const rule = await listener.rule({ verb: 'create', name: 'answered' }, { kind: 'hold', at: 'reply' });
    const answer = make('answered').catch((error: unknown) => String(error));
    const held = await rule.held(5000);
    expect(await there('answered')).toBe(true);
    await held.drop();
    expect(await answer).toMatch(/error|closed/i);
    await rule.remove();
  });

  test('while the listener is down connections are refused, and open watches end', async () => {
    const open = await watch(`resourceVersion=${await version()}`);
    await listener.down();
    await open.ended;
    await expect(ask('GET', collection)).rejects.toThrow('ECONNREFUSED');
    await listener.up();
    expect((await ask('GET', collection)).status).toBe(200);
  });
});

describe('watches', () => {
  test('events come through as they are', async () => {
    const open = await watch(`resourceVersion=${await version()}`);
    await make('plain');
    await open.line(1);
    expect(namesIn(open.lines)).toEqual(['ADDED plain']);
    open.close();
  });

  test('a frozen watch stays open and silent', async () => {
    const open = await watch(`resourceVersion=${await version()}`);
    const rule = await listener.rule({ verb: 'watch', resource: 'configmaps' }, { kind: 'freeze' });
    await make('unseen');
    const control = await watch(`resourceVersion=${await version()}`);
    await make('seen-by-control');
    await control.line(1);
    expect(open.lines).toEqual([]);
    expect((await rule.state()).streams).toBe(1);
    await rule.remove();
    await open.ended;
    control.close();
  });

  test('a cut watch ends, and a new one may be cut as soon as it opens', async () => {
    const open = await watch(`resourceVersion=${await version()}`);
    const onOpen = await listener.rule({ verb: 'watch' }, { kind: 'cut' });
    await open.ended;
    await onOpen.remove();
    const rule = await listener.rule(
      { verb: 'watch', query: { resourceVersion: '?*' } },
      { kind: 'cut', scope: 'new' },
    );
    await (await watch(`resourceVersion=${await version()}`)).ended;
    const fresh = await watch('');
    await fresh.line(1);
    expect(namesIn(fresh.lines)[0]).toMatch(/^ADDED /);
    fresh.close();
    await rule.remove();
  });

  test('a swallowed event is missing, those around it come', async () => {
    const open = await watch(`resourceVersion=${await version()}`);
    const rule = await listener.rule(
      { verb: 'watch', namespace },
      { kind: 'swallow', event: { name: 'gone', type: ['ADDED', 'DELETED'] } },
    );
    await make('before');
    await make('gone');
    await ask('DELETE', `${collection}/gone`);
    await make('after');
    await open.line(2);
    expect(namesIn(open.lines)).toEqual(['ADDED before', 'ADDED after']);
    expect((await rule.state()).hits).toBe(2);
    await rule.remove();
    open.close();
  });

  test('a delayed event holds back those behind it, in order', async () => {
    const open = await watch(`resourceVersion=${await version()}`);
    const rule = await listener.rule({ verb: 'watch' }, { kind: 'delay-events', event: { name: 'slow' }, ms: 600 });
    const start = performance.now();
    await make('slow');
    await make('quick');
    await open.line(2);
    expect(performance.now() - start).toBeGreaterThan(590);
    expect(namesIn(open.lines)).toEqual(['ADDED slow', 'ADDED quick']);
    await rule.remove();
    await make('later');
    await open.line(3);
    open.close();
  });

  test('a garbled event is a line that is no JSON', async () => {
    const open = await watch(`resourceVersion=${await version()}`);
    const rule = await listener.rule({ verb: 'watch' }, { kind: 'garble', event: { name: 'broken' } });
    await make('broken');
    await make('whole');
    await open.line(2);
    expect(() => JSON.parse(open.lines[0] ?? '')).toThrow(/JSON/);
    expect(namesIn(open.lines.slice(1))).toEqual(['ADDED whole']);
    await rule.remove();
    open.close();
  });

  test('an injected line is received, and may end the watch', async () => {
    const open = await watch(`resourceVersion=${await version()}`);
    const line = JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
    const rule = await listener.rule({ verb: 'watch' }, { kind: 'inject', line, close: true });
    await open.ended;
    expect(open.lines).toEqual([line]);
    await rule.remove();
  });
});

describe('replay', () => {
  test('lists and watches show the state of the mark, reads of one object the truth', async () => {
    await make('old');
    await ask('GET', collection);
    const { collections } = await listener.mark('then');
    expect(collections).toContain(collection);
    await ask('DELETE', `${collection}/old`);
    await make('new');
    const rule = await listener.rule({ verb: ['list', 'watch'], namespace }, { kind: 'replay', mark: 'then' });

    const { items }: { items: { metadata: { name: string } }[] } = JSON.parse((await ask('GET', collection)).text);
    const listed = items.map(({ metadata }) => metadata.name);
    expect(listed).toContain('old');
    expect(listed).not.toContain('new');

    const streamed = await watch('sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true');
    await streamed.line(listed.length + 1);
    expect(namesIn(streamed.lines.slice(0, -1)).toSorted()).toEqual(listed.map((name) => `ADDED ${name}`).toSorted());
    const bookmark: unknown = JSON.parse(streamed.lines.at(-1) ?? '');
    expect(bookmark).toMatchObject({
      type: 'BOOKMARK',
      object: {
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } },
      },
    });

    expect((await ask('GET', `${collection}/old`)).status).toBe(404);
    await make('newer');
    expect(streamed.lines).toHaveLength(listed.length + 1);
    await rule.remove();
    await streamed.ended;
    expect(streamed.lines, 'nothing of what came after the mark').toHaveLength(listed.length + 1);
    expect((await ask('GET', collection)).text).toContain('"newer"');
  });
});
