// SPDX-License-Identifier: Apache-2.0
// How a step with several writes ends.
import type { ServerResponse } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { KubeClient } from '../runtime/client.ts';
import { ok, serve } from '../runtime/fixtures.ts';
import { pods } from '../runtime/resources.ts';
import { KeyPool } from '../tls/keys.ts';
import { act } from './act.ts';
import { observed } from './fixtures.ts';
import { OwnWrites } from './ownwrites.ts';
import { SecretReader } from './secrets.ts';

it('a step whose first write fails ends only when its other writes have ended', async () => {
  const posted: ServerResponse[] = [];
  const auth = await serve((request, response) => {
    if (request.method === 'GET') ok(response);
    else if (posted.push(response) === 1) response.writeHead(500).end();
  });
  const client = new KubeClient({ auth });
  const keys = new KeyPool({ ready: { 2048: 0, 3072: 0 } });
  onTestFinished(async () => {
    keys.close();
    await client.close();
  });
  const deps = { client, keys, own: new OwnWrites(), secrets: new SecretReader(client) };
  let ended = false;
  const signal = new AbortController().signal;
  const acting = act(
    deps,
    observed(),
    { action: 'IssueAuthorities', sides: ['peer', 'client'], children: [] } as never,
    signal,
  );
  const settled = acting.catch((e: unknown) => e).finally(() => void (ended = true));
  await expect.poll(() => posted.length, { timeout: 8_000 }).toBe(2);
  await client.find(pods, { namespace: 'shop', name: 'orders-0' });
  expect(ended).toBe(false);
  posted[1]?.end(JSON.stringify({ metadata: { namespace: 'shop', name: 'orders-ca-client' } }));
  expect(await settled).toMatchObject({ code: 'Unavailable' });
});
