// SPDX-License-Identifier: Apache-2.0
// Serves /healthz, /readyz and /metrics.
import { createServer, type Server } from 'node:http';

export interface HealthOptions {
  readonly port: number;
  /** Undefined when well, else why not. */
  readonly live: () => string | undefined;
  readonly ready: () => string | undefined;
  readonly metrics: () => Promise<string>;
}

export async function serveHealth(o: HealthOptions): Promise<Server> {
  const verdict = (problem: string | undefined): [number, string] =>
    problem === undefined ? [200, 'ok\n'] : [503, `${problem}\n`];
  const answer = async (path: string): Promise<[number, string]> => {
    if (path === '/healthz') return verdict(o.live());
    if (path === '/readyz') return verdict(o.ready());
    if (path === '/metrics') return [200, await o.metrics()];
    return [404, 'not found\n'];
  };
  const server = createServer((request, response) => {
    void answer((request.url ?? '/').split('?')[0] as string)
      .catch((e: unknown): [number, string] => [500, `${String(e)}\n`])
      .then(([status, text]) => {
        response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
        response.end(text);
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(o.port, resolve);
  });
  return server;
}
