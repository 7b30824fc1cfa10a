// SPDX-License-Identifier: Apache-2.0
// How a step with several writes ends.
import type { RequestListener, ServerResponse } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { KubeClient } from '../runtime/client.ts';
import { ok, serve } from '../runtime/fixtures.ts';
import { pods } from '../runtime/resources.ts';
import { KeyPool } from '../tls/keys.ts';
import { act } from './act.ts';
import { allSealed, observed, unmarked } from './fixtures.ts';
import type { Observed } from './observed.ts';
import { OwnWrites } from './ownwrites.ts';
import { plan } from './plan.ts';
import type { Step } from './rules/rule.ts';
import { SecretReader } from './secrets.ts';

/** Acts against this server; what it is asked goes to `answer`. */
async function against(answer: RequestListener) {
  const client = new KubeClient({ auth: await serve(answer) });
  const keys = new KeyPool({ ready: { 2048: 0, 3072: 0 } });
  onTestFinished(async () => {
    keys.close();
    await client.close();
  });
  const deps = { client, keys, own: new OwnWrites(), secrets: new SecretReader(client) };
  const { signal } = new AbortController();
  return { client, step: (o: Observed, step: Step) => act(deps, o, step, signal) };
}

it('a cluster one of whose claims went while it was marked is not recorded as formed', async () => {
  const seen = observed({ identity: allSealed, children: unmarked(allSealed) });
  const planned = plan(seen).step;
  if (planned?.action !== 'Form') throw new Error('the cluster is not about to be formed');
  const asked: string[] = [];
  const { step } = await against(({ method, url = '' }, response) => {
    const name = url.split('?')[0]?.split('/').at(-1);
    asked.push(`${method} ${name}`);
    const claim = planned.claims.find((c) => c.child.desired.metadata.name === name)?.child.desired;
    if (asked.length === 2) response.writeHead(404).end(JSON.stringify({ reason: 'NotFound' }));
    else response.end(JSON.stringify(claim));
  });
  await expect(step(seen, planned)).rejects.toMatchObject({ code: 'Conflict' });
  expect(asked.toSorted()).toEqual([0, 1, 2].map((i) => `PATCH data-orders-${i}`));
});

it('a step whose first write fails ends only when its other writes have ended', async () => {
  const posted: ServerResponse[] = [];
  const { client, step } = await against((request, response) => {
    if (request.method === 'GET') ok(response);
    else if (posted.push(response) === 1) response.writeHead(500).end();
  });
  let ended = false;
  const acting = step(observed(), { action: 'IssueAuthorities', sides: ['peer', 'client'], children: [] } as never);
  const settled = acting.catch((e: unknown) => e).finally(() => void (ended = true));
  await expect.poll(() => posted.length, { timeout: 8_000 }).toBe(2);
  await client.find(pods, { namespace: 'shop', name: 'orders-0' });
  expect(ended).toBe(false);
  posted[1]?.end(JSON.stringify({ metadata: { namespace: 'shop', name: 'orders-ca-client' } }));
  expect(await settled).toMatchObject({ code: 'Unavailable' });
});
