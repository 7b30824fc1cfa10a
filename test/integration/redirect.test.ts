// SPDX-License-Identifier: Apache-2.0
// A store that answers with a redirect: what is signed for it goes to nobody else.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EgressGuard } from '../../src/backup/stores/egress.ts';
import { connectS3 } from '../../src/backup/stores/s3client.ts';

/** A server on an address of its own, and the requests that it was sent. */
async function listening(host: string, answer: (request: IncomingMessage, reply: ServerResponse) => void) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, reply) => {
    requests.push(request);
    request.resume().on('end', () => answer(request, reply));
  }).listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return { requests, url: `http://${host}:${port}`, close: () => server.close() };
}

let credentialsDir: string;
beforeAll(async () => {
  credentialsDir = await mkdtemp(path.join(tmpdir(), 'quorate-redirect-'));
  for (const name of ['accessKeyId', 'secretAccessKey']) await writeFile(path.join(credentialsDir, name), name);
});
afterAll(() => rm(credentialsDir, { recursive: true, force: true }));

describe('a redirect to another host', () => {
  it.each([301, 302, 303, 307, 308])('with %i is a failure, and the other host is asked nothing', async (status) => {
    const other = await listening('127.0.0.2', (_, reply) => reply.end());
    const store = await listening('127.0.0.1', ({ url }, reply) =>
      reply.writeHead(status, { location: `${other.url}${url}` }).end(),
    );
    const guard = new EgressGuard({ allow: ['127.0.0.0/8'] });
    const settings = { bucket: 'backups', endpoint: store.url, forcePathStyle: true, credentialsDir };
    const { client } = await connectS3(settings, guard, () => undefined);
    const object = { Bucket: 'backups', Key: 'orders/snapshot' };
    const refused = { $metadata: { httpStatusCode: status } };
    await expect(client.send(new PutObjectCommand({ ...object, Body: 'x' }))).rejects.toMatchObject(refused);
    await expect(client.send(new GetObjectCommand(object))).rejects.toMatchObject(refused);
    await expect(client.send(new HeadObjectCommand(object))).rejects.toMatchObject(refused);
    client.destroy();
    const asked = store.requests.map(({ method, headers }) => [method, headers.authorization?.split(' ')[0]]);
    expect(asked).toEqual(['PUT', 'GET', 'HEAD'].map((method) => [method, 'AWS4-HMAC-SHA256']));
    expect(other.requests).toEqual([]);
    await fetch(store.url);
    expect(other.requests, 'control: who follows arrives').toHaveLength(1);
    for (const { close } of [store, other]) close();
  });
});
