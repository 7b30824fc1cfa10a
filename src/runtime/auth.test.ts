// SPDX-License-Identifier: Apache-2.0
// Which kubeconfigs are refused, and what is sent to the API server to prove who we are.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { loadAuth } from './auth.ts';

const folders: string[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

interface Parts {
  readonly user?: object;
  readonly cluster?: object;
  /** The user that the context names; there is one of the name alice. */
  readonly context?: string;
  /** Files beside the kubeconfig. */
  readonly files?: Record<string, string>;
}

async function kubeconfig({ user, cluster, context = 'alice', files = {} }: Parts): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'quorate-auth-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: context } }],
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443', ...cluster } }],
    users: [{ name: 'alice', user: { ...user } }],
  };
  const file = path.join(folder, 'config');
  await writeFile(file, JSON.stringify(config));
  vi.stubEnv('KUBECONFIG', file);
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test.each<[string, Parts, string]>([
  ['no proof at all', {}, 'user alice of the kubeconfig: needs a client certificate with its key, or a token'],
  [
    'a tokenFile',
    { user: { tokenFile: 'token' } },
    'user alice of the kubeconfig: needs a client certificate with its key, or a token',
  ],
  [
    'a certificate without its key',
    { user: { 'client-certificate-data': base64('cert') } },
    'user alice of the kubeconfig: needs a client certificate with its key',
  ],
  [
    'a user that is not there',
    { context: 'bob' },
    'user (none) of the kubeconfig: needs a client certificate with its key',
  ],
  ['a password', { user: { username: 'a', password: 'b' } }, 'only a client certificate or a token is supported'],
  ['a plugin', { user: { exec: { command: 'x' } } }, 'only a client certificate or a token is supported'],
  ['another identity', { user: { token: 't', as: 'bob' } }, 'only a client certificate or a token is supported'],
  ['a proxy', { user: { token: 't' }, cluster: { 'proxy-url': 'http://p' } }, 'proxy-url is not supported'],
])('a kubeconfig with %s is refused by the name of what is wrong', async (_what, parts, told) => {
  await kubeconfig(parts);
  expect(() => loadAuth()).toThrow(told);
});

test('a token is sent without the newline that its file ends with', async () => {
  await kubeconfig({ user: { token: 'secret\n' } });
  const auth = loadAuth();
  expect(auth.server).toBe('https://127.0.0.1:6443');
  expect(await auth.headers()).toEqual({ authorization: 'Bearer secret' });
});

test('a client certificate goes into the connection, and no header', async () => {
  const data = { 'client-certificate-data': base64('cert'), 'client-key-data': base64('key') };
  await kubeconfig({ user: data, cluster: { 'certificate-authority-data': base64('ca'), 'tls-server-name': 'kube' } });
  const auth = loadAuth();
  expect(await auth.headers()).toEqual({});
  const material = { ca: Buffer.from('ca'), cert: Buffer.from('cert'), key: Buffer.from('key'), servername: 'kube' };
  expect(await auth.tls()).toEqual(material);
});

test('a token in a file, as that of a pod, is read and sent', async () => {
  await kubeconfig({ files: { token: 'of the pod\n' } });
  const file = path.join(folders[0] ?? '', 'token');
  await kubeconfig({ user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile: file } } } });
  expect(await loadAuth().headers()).toEqual({ authorization: 'Bearer of the pod' });
});

test('files are named beside the kubeconfig', async () => {
  const user = { 'client-certificate': 'cert.pem', 'client-key': 'key.pem' };
  await kubeconfig({ user, files: { 'cert.pem': 'cert', 'key.pem': 'key' } });
  expect(await loadAuth().tls()).toEqual({ cert: Buffer.from('cert'), key: Buffer.from('key') });
});

test('a proxy of kubectl asks for no proof', async () => {
  await kubeconfig({ cluster: { server: 'http://127.0.0.1:8001/' } });
  const auth = loadAuth();
  expect(auth.server).toBe('http://127.0.0.1:8001');
  expect(await auth.headers()).toEqual({});
  expect(await auth.tls()).toEqual({});
});
