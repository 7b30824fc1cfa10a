// SPDX-License-Identifier: Apache-2.0
// Tests of an upload to a store that answers late, oddly or not at all; test/integration has a real one.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, expect, it, onTestFinished } from 'vitest';
import { BackupError, OutcomeUnknown } from '../failures.ts';
import { EgressGuard } from './egress.ts';
import { openS3Store } from './s3.ts';

const MIB = 2 ** 20;
let credentialsDir: string;
const open: { close(): void }[] = [];

beforeAll(async () => {
  credentialsDir = await mkdtemp(join(tmpdir(), 'quorate-s3-'));
  for (const name of ['accessKeyId', 'secretAccessKey']) await writeFile(join(credentialsDir, name), 'key');
});
afterAll(() => rm(credentialsDir, { recursive: true }));
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

type Reply = (request: IncomingMessage, response: ServerResponse) => void;

const answer =
  (status: number, code: string): Reply =>
  (request, response) => {
    request.resume().on('end', () => response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`));
  };
const done: Reply = (request, response) => {
  request.resume().on('end', () => response.writeHead(200, { etag: '"e"' }).end());
};

/** A server that answers PUTs as told, one after the other, and knows no object. */
async function store(puts: Reply[], onSent: (bytes: number) => void = () => undefined, directory = credentialsDir) {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.method ?? '');
    if (request.method === 'PUT') puts.shift()?.(request, response);
    else answer(404, 'NoSuchKey')(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const settings = { bucket: 'backups', endpoint, forcePathStyle: true, credentialsDir: directory };
  const opened = await openS3Store(settings, new EgressGuard({ allow: ['127.0.0.0/8'] }), onSent);
  open.push(opened, { close: () => server.closeAllConnections() }, server);
  const stop = new AbortController();
  const create = (bytes = 3, decisive = true) =>
    opened.create('k', Readable.from([Buffer.alloc(bytes)]), {
      signal: stop.signal,
      contentType: 'text/plain',
      metadata: {},
      decisive,
    });
  return { create, stop, seen };
}

it.each([
  ['that is no URL', 's3.example.com', /is no URL/],
  ['of another protocol', 'ftp://s3.example.com', /must be an https:\/\/ or http:\/\/ URL/],
  ['with a user', 'https://key@s3.example.com', /must not carry credentials/],
  ['with a password', 'https://:secret@s3.example.com', /must not carry credentials/],
  ['with a path', 'https://s3.example.com/bucket', /without a path/],
  ['with a query', 'https://s3.example.com/?a=b', /without a path/],
  ['with a fragment', 'https://s3.example.com/#a', /without a path/],
  ['on this machine', 'http://127.0.0.1:9000', /may not connect/],
  ['on this machine, in IPv6', 'http://[::1]:9000', /may not connect/],
])('an endpoint %s is refused before anything is sent', async (_, endpoint, says) => {
  const settings = { bucket: 'backups', endpoint, forcePathStyle: true, credentialsDir };
  const opening = openS3Store(settings, new EgressGuard(), () => undefined);
  await expect(opening).rejects.toMatchObject({ reason: 'EndpointForbidden', message: expect.stringMatching(says) });
});

it.each([
  ['no secretAccessKey', { secretAccessKey: undefined }],
  ['an empty accessKeyId', { accessKeyId: ' \n' }],
])('credentials with %s are told, and nothing is sent', async (_, over) => {
  const directory = await mkdtemp(join(tmpdir(), 'quorate-s3-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const [name, text] of Object.entries({ accessKeyId: 'key', secretAccessKey: 'key', ...over }))
    if (text !== undefined) await writeFile(join(directory, name), text);
  const { create, seen } = await store([done], undefined, directory);
  await expect(create()).rejects.toMatchObject({ reason: 'CredentialsUnreadable' });
  expect(seen).toEqual([]);
});

it('a write that meets another one of the same name is made again', async () => {
  const { create, seen } = await store([answer(409, 'ConditionalRequestConflict'), done]);
  await expect(create()).resolves.toMatchObject({ key: 'k', size: 3 });
  expect(seen).toEqual(['PUT', 'HEAD', 'PUT']);
});

it('a write that is refused is known not to have happened', async () => {
  const { create } = await store([answer(403, 'AccessDenied')]);
  await expect(create()).rejects.toMatchObject({ reason: 'AccessDenied' });
});

it('a decisive write whose answer never came is left alone: it may still arrive', async () => {
  const { create, stop, seen } = await store([
    () => stop.abort(new BackupError('Interrupted', 'the pod was told to stop')),
  ]);
  await expect(create()).rejects.toThrow(OutcomeUnknown);
  expect(seen).toEqual(['PUT']);
});

it('any other write whose answer never came is looked for, to take it back', async () => {
  const { create, stop, seen } = await store([
    () => stop.abort(new BackupError('Interrupted', 'the pod was told to stop')),
  ]);
  await expect(create(3, false)).rejects.not.toThrow(OutcomeUnknown);
  expect(seen).toEqual(['PUT', 'HEAD']);
});

it('a body counts as it leaves, long before it has arrived', async () => {
  let sent = 0;
  let go: (() => void) | undefined;
  const slow: Reply = (request, response) => {
    // Takes one chunk and no more, like a line that is much slower than the source.
    request.once('data', () => {
      request.pause();
      go = () => done(request, response);
    });
  };
  const { create } = await store([slow], (bytes) => {
    sent += bytes;
  });
  const bytes = 7 * MIB;
  const creating = create(bytes);
  await expect.poll(() => go !== undefined && sent > 0, { timeout: 8_000 }).toBe(true);
  expect(sent).toBeLessThan(bytes);
  go?.();
  await expect(creating).resolves.toMatchObject({ size: bytes });
  expect(sent).toBe(bytes);
});
