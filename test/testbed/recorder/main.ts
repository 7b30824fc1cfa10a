// SPDX-License-Identifier: Apache-2.0
// The recorder's process: runs recording clients inside the node network, driven by a control API.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { storeProblems } from './history.ts';
import type { Comparison, RecorderSpec, StoredText } from './protocol.ts';
import { Recorder } from './recorder.ts';
import { verify } from './verify.ts';

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const access = {
  url: setting('RECORDER_API_SERVER'),
  ca: await readFile(setting('RECORDER_CA')),
  cert: await readFile(setting('RECORDER_CERT')),
  key: await readFile(setting('RECORDER_KEY')),
};
const recorders = new Map<string, Recorder>();

/** Set against set: the acknowledged keys stay here, however many they are. */
function compare({ attempted, acks }: Recorder, body: string): Comparison {
  const read: StoredText[] = JSON.parse(body);
  const stored = read.map(({ key, value, createRevision, modRevision }) => ({
    key,
    value,
    createRevision: BigInt(createRevision),
    modRevision: BigInt(modRevision),
  }));
  return { problems: storeProblems({ attempted, acks, stored }) };
}

async function serve(req: IncomingMessage): Promise<unknown> {
  const url = new URL(req.url ?? '/', 'http://control');
  const [, , id = '', action = ''] = url.pathname.split('/');
  if (url.pathname === '/healthz') return { ok: true };
  if (req.method === 'POST' && url.pathname === '/recorders') {
    const spec: RecorderSpec = JSON.parse(await text(req));
    const recorder = new Recorder(randomBytes(4).toString('hex'), spec, access);
    recorders.set(recorder.id, recorder);
    recorder.start();
    return recorder.counts();
  }
  const recorder = recorders.get(id);
  if (!recorder) throw new Error(`no recorder ${id}`);
  switch (`${req.method} ${action}`) {
    case 'GET ':
      return recorder.counts();
    case 'POST stop':
      await recorder.stop();
      return recorder.counts();
    case 'POST compare':
      return compare(recorder, await text(req));
    case 'POST verify':
      return verify(recorder, Number(url.searchParams.get('timeout') ?? 30_000));
    case 'DELETE ':
      recorder.close();
      recorders.delete(id);
      return undefined;
    default:
      throw new Error(`no ${req.method} ${url.pathname}`);
  }
}

const control = createServer((req, res) => {
  const reply = (code: number, value: unknown) => {
    res.writeHead(code, { 'content-type': 'application/json' });
    res.end(value === undefined ? undefined : JSON.stringify(value));
  };
  serve(req).then(
    (value) => reply(value === undefined ? 204 : 200, value),
    (error: Error) => reply(400, { error: error.message }),
  );
});
control.keepAliveTimeout = 0;
control.listen(Number(setting('RECORDER_CONTROL_PORT')));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
