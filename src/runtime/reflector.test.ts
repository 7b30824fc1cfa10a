// SPDX-License-Identifier: Apache-2.0
// How a reflector tells a server that says nothing from one that asks for patience.
import type { ServerResponse } from 'node:http';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { KubeClient } from './client.ts';
import { pass, serve } from './fixtures.ts';
import { Reflector } from './reflector.ts';
import { type Pod, pods } from './resources.ts';
import { ObjectStore } from './store.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** What a reflector asks for and complains of, when this is how its requests are answered. */
async function asked(
  answer: (response: ServerResponse, query: URLSearchParams) => void,
  before?: (client: KubeClient) => Promise<unknown>,
) {
  const requests: string[] = [];
  const complaints: string[] = [];
  const auth = await serve(({ url = '' }, response) => {
    const query = new URL(url, 'http://x').searchParams;
    if (query.has('watch')) requests.push(query.get('resourceVersion') ?? 'stream');
    else requests.push('page');
    answer(response, query);
  });
  const client = new KubeClient({ auth });
  await before?.(client);
  const stop = new AbortController();
  const store = new ObjectStore<Pod>(() => undefined);
  const log = pino({}, { write: (line: string) => complaints.push(line) });
  const running = new Reflector({ client, resource: pods, query: {}, store, log }).run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await running;
    await client.close();
  });
  return { requests, complaints, store };
}

it('two minutes of patience that the server asks for are no silence', async () => {
  let patience = 120;
  const { requests, complaints } = await asked(
    (response) => {
      if (patience > 0) response.writeHead(429, { 'retry-after': String(patience) }).end();
      else response.writeHead(200).flushHeaders();
    },
    async (client) => {
      await expect(client.list(pods, {})).rejects.toMatchObject({ code: 'TooManyRequests' });
      patience = 0;
    },
  );
  await pass(118);
  expect(requests).toEqual(['page']);
  await pass(4);
  expect(requests).toEqual(['page', 'stream']);
  expect(complaints).toEqual([]);
});

it('a stream that is opened and stays silent is read page by page', async () => {
  const { requests } = await asked((response) => response.writeHead(200).flushHeaders());
  await pass(57);
  expect(requests).toEqual(['stream']);
  await pass(5);
  expect(requests).toEqual(['stream', 'page']);
});

/** An empty list that ends; every later watch says nothing, and is ended by the server after this part of its time. */
const quiet = (part: number) => (response: ServerResponse, query: URLSearchParams) => {
  response.writeHead(200).flushHeaders();
  if (query.get('sendInitialEvents') === 'true') {
    const metadata = { resourceVersion: '7', annotations: { 'k8s.io/initial-events-end': 'true' } };
    response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
  }
  setTimeout(() => response.end(), Number(query.get('timeoutSeconds')) * 1000 * part);
};

it.each([
  ['in its time is fresh', 1, { least: 0, most: 58_000 }],
  ['before its time says nothing', 0.5, { least: 250_000, most: 300_000 }],
])('a watch without a word that the server ends %s', async (_sentence, part, age) => {
  const { requests, complaints, store } = await asked(quiet(part));
  const ages: number[] = [];
  for (let i = 0; i < 30; i += 1) {
    await pass(10);
    ages.push(performance.now() - store.lastContact);
  }
  expect(requests.slice(0, 3)).toEqual(['stream', '7', '7']);
  expect(complaints).toEqual([]);
  expect(Math.max(...ages)).toBeGreaterThan(age.least);
  expect(Math.max(...ages)).toBeLessThanOrEqual(age.most);
});
