// SPDX-License-Identifier: Apache-2.0
// A renewal against a slow server: it ends when the lease does, however many requests it takes.
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { createLogger } from '../telemetry/log.ts';
import { KubeClient } from './client.ts';
import { Elector } from './elector.ts';
import { pass, serve } from './fixtures.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

it('a renewal that was refused late and is then slow ends with the lease', async () => {
  const lease = {
    metadata: { namespace: 'quorate', name: 'quorate', resourceVersion: '1' },
    spec: { holderIdentity: 'me' },
  };
  const asked: string[] = [];
  const answer = (response: ServerResponse, status: number): void => {
    response.writeHead(status).end(JSON.stringify(lease));
  };
  const auth = await serve(({ method = '' }, response) => {
    asked.push(method);
    if (asked.length <= 2) answer(response, 200);
    else if (method === 'GET') setTimeout(() => answer(response, 200), 3_000);
    else if (asked.length === 3) setTimeout(() => answer(response, 409), 3_000);
  });
  const client = new KubeClient({ auth });
  const stop = new AbortController();
  onTestFinished(async () => {
    stop.abort();
    await client.close();
  });
  const options = { namespace: 'quorate', name: 'quorate' };
  const elector = new Elector({ client, lease: options, identity: 'me', log: createLogger('silent') });
  const acquired = elector.acquire(stop.signal);
  await pass(1);
  await acquired;
  let end: unknown;
  const held = elector.hold(stop.signal).catch((e: unknown) => (end = e));
  await pass(8);
  expect(elector.leading).toBe(true);
  await pass(3);
  expect(end).toMatchObject({ code: 'Fenced' });
  expect(asked).toEqual(['GET', 'PUT', 'PUT', 'GET', 'PUT']);
  await held;
});
