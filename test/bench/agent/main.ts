// SPDX-License-Identifier: Apache-2.0
// The measuring program's process: runs in the node network, from where it reaches pods, and is driven over HTTP.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fill } from './fill.ts';
import { judge } from './judge.ts';
import { KubeReader } from './kube.ts';

const [url, port] = process.argv.slice(2);
const [ca, cert, key] = await Promise.all(['ca.crt', 'admin.crt', 'admin.key'].map((name) => readFile(`/pki/${name}`)));
const kube = new KubeReader({ url: url as string, ca: ca as Buffer, cert: cert as Buffer, key: key as Buffer });

const work: Record<string, (spec: never) => Promise<unknown>> = {
  '/judge': (spec) => judge(kube, spec),
  '/fill': (spec) => fill(kube, spec),
  '/healthz': async () => ({ ok: true }),
};

createServer((req, res) => {
  const reply = (code: number, value: unknown) => {
    res.writeHead(code, { 'content-type': 'application/json' });
    res.end(JSON.stringify(value));
  };
  const run = work[req.url ?? ''];
  if (run === undefined) return reply(404, { error: `no ${req.url}` });
  text(req)
    .then((body) => run(JSON.parse(body || 'null') as never))
    .then((value) => reply(200, value))
    .catch((error: unknown) => reply(500, { error: error instanceof Error ? error.message : String(error) }));
}).listen(Number(port));
