// SPDX-License-Identifier: Apache-2.0
// Requests against a server that is slow, silent or asks for patience: nobody waits for longer than was said, or sends too late.
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { Metrics } from '../telemetry/metrics.ts';
import type { KubeAuth } from './auth.ts';
import { authFor, listen, ok, serve } from './fixtures.ts';
import { type Fence, type Request, Transport } from './transport.ts';

const GET: Request = { method: 'GET', path: '/read' };
const POST: Request = { method: 'POST', path: '/write', body: {} };
const metrics = new Metrics();

function transportOf(auth: KubeAuth): Transport {
  const transport = new Transport({ auth, metrics });
  onTestFinished(() => transport.close());
  return transport;
}

const to = async (answer: RequestListener): Promise<Transport> => transportOf(await serve(answer));

const busy = (response: ServerResponse, seconds: number): void => {
  response.writeHead(429).end(JSON.stringify({ details: { retryAfterSeconds: seconds } }));
};

/** A server that keeps some writes waiting, and a transport whose connections they all hold. */
async function crowded(): Promise<{ transport: Transport; arrived: string[]; release: () => Promise<void> }> {
  const arrived: string[] = [];
  const held: ServerResponse[] = [];
  const transport = await to(({ url = '' }, response) => {
    arrived.push(url);
    if (url.startsWith('/hold')) held.push(response);
    else ok(response);
  });
  const holders = Array.from({ length: 64 }, (_, i) => transport.call({ ...POST, path: `/hold/${i}` }));
  const ended = Promise.allSettled(holders);
  await expect.poll(() => arrived.length, { timeout: 8_000 }).toBe(64);
  const release = async (): Promise<void> => {
    for (const response of held.splice(0)) ok(response);
    await ended;
  };
  onTestFinished(release);
  return { transport, arrived, release };
}

it('the Lease does not queue behind slow writes', async () => {
  const { transport } = await crowded();
  await transport.call({ ...POST, method: 'PUT', path: '/lease' }, { lane: 'election', timeoutMs: 1_000 });
});

it('a write that waits for a connection ends by its deadline as one of unknown outcome, and is not sent afterwards', async () => {
  const { transport, arrived, release } = await crowded();
  const started = performance.now();
  await expect(transport.call(POST, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'Timeout' });
  expect(performance.now() - started).toBeLessThan(1_000);
  await release();
  await transport.call(GET);
  expect(arrived).not.toContain('/write');
});

it('a write that waits for a connection is not sent when leadership has ended meanwhile', async () => {
  const { transport, arrived, release } = await crowded();
  let leading = true;
  const fence: Fence = {
    check: () => {
      if (!leading) throw new Error('no longer');
    },
    // As after a stop of the whole process: no timer has run yet.
    remainingMs: () => 60_000,
  };
  transport.setFence(fence);
  const waiting = transport.call(POST);
  await transport.call({ ...POST, path: '/lease' }, { lane: 'election' });
  leading = false;
  const sent = release();
  await expect(waiting).rejects.toThrow('no longer');
  await sent;
  await transport.call(GET);
  expect(arrived).not.toContain('/write');
});

it('a request to a server that does not finish its handshake ends by its deadline, and is counted as unanswered', async () => {
  const port = await listen(createServer((socket) => onTestFinished(() => void socket.destroy())));
  const transport = transportOf(authFor(`https://127.0.0.1:${port}`));
  const started = performance.now();
  await expect(transport.call(POST, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'Timeout' });
  expect(performance.now() - started).toBeLessThan(1_000);
  expect(await metrics.registry.metrics()).toMatch(/requests_total\{method="POST",status="none"\} [1-9]/);
});

it('a server that is known by name is told the name, so that it can answer for several', async () => {
  const hello = Promise.withResolvers<Buffer>();
  const server = createServer((socket) => {
    socket.once('data', (bytes) => {
      hello.resolve(bytes);
      socket.destroy();
    });
  });
  const transport = transportOf(authFor(`https://localhost:${await listen(server)}`));
  await expect(transport.call(POST)).rejects.toMatchObject({ code: 'Unavailable' });
  expect((await hello.promise).includes('localhost')).toBe(true);
});

it('a window that grows while a request waits is waited out as a whole', async () => {
  const refused = new Map<string, ServerResponse>();
  const written = Promise.withResolvers<number>();
  const transport = await to(({ url = '' }, response) => {
    if (url !== POST.path) refused.set(url, response);
    else {
      written.resolve(performance.now());
      ok(response);
    }
  });
  const early = transport.call({ ...POST, path: '/early' }, { timeoutMs: 900 });
  const late = transport.call({ ...POST, path: '/late' }, { timeoutMs: 1_400 });
  await expect.poll(() => refused.size, { interval: 5, timeout: 8_000 }).toBe(2);
  busy(refused.get('/early') as ServerResponse, 1);
  await expect(early).rejects.toMatchObject({ code: 'TooManyRequests' });
  const write = transport.call(POST);
  const grown = performance.now();
  busy(refused.get('/late') as ServerResponse, 1.5);
  await expect(late).rejects.toMatchObject({ code: 'TooManyRequests' });
  expect((await written.promise) - grown).toBeGreaterThanOrEqual(1_490);
  await write;
});

it('a watch says that it is on its way only when it need not wait any more', async () => {
  let refusals = 1;
  const transport = await to((_, response) => {
    refusals -= 1;
    if (refusals < 0) ok(response);
    else busy(response, 1);
  });
  const started = performance.now();
  await expect(transport.call(POST, { timeoutMs: 900 })).rejects.toMatchObject({ code: 'TooManyRequests' });
  const sent: number[] = [];
  await transport.open(GET, new AbortController().signal, () => sent.push(performance.now() - started));
  expect(sent).toHaveLength(1);
  expect(sent[0]).toBeGreaterThanOrEqual(990);
});
