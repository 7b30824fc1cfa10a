// SPDX-License-Identifier: Apache-2.0
// The bundled file: the same bytes at every build, alone in an empty folder, with everything inside that runs need.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../scripts/bundle.ts';
import { LocalCluster } from './etcd/local-cluster.ts';

const run = promisify(execFile);
let folder: string;

/** Runs a bundled file where there is nothing beside it, as in the image. */
async function alone(file: string, input?: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const empty = path.join(folder, 'alone');
  await rm(empty, { recursive: true, force: true });
  await mkdir(empty);
  const copy = path.join(empty, 'quorate.mjs');
  await copyFile(file, copy);
  const running = run(process.execPath, [copy], { cwd: empty, env: {}, timeout: 20_000 });
  running.child.stdin?.end(input);
  return running.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (e: { code: number; stdout: string; stderr: string }) => e,
  );
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'quorate-bundle-'));
});

afterAll(() => rm(folder, { recursive: true }));

describe('the bundle of the operator', () => {
  it('is the same bytes when built twice, licences included', async () => {
    const [a, b] = [await bundle({ folder: path.join(folder, 'a') }), await bundle({ folder: path.join(folder, 'b') })];
    for (const key of ['file', 'licenses'] as const) {
      expect((await readFile(a[key])).equals(await readFile(b[key]))).toBe(true);
    }
    const text = await readFile(a.file, 'utf8');
    expect(text).not.toContain(path.resolve(import.meta.dirname, '../..'));
    const licenses = await readFile(a.licenses, 'utf8');
    for (const name of [
      '@grpc/grpc-js',
      'etcd3',
      'node-forge',
      '@kubernetes/client-node',
      'zod',
      'etcd (src/etcd/proto',
    ]) {
      expect(licenses).toContain(`\n${name}`);
    }
  });

  it('starts without any file beside it, and says how to use it', async () => {
    const { file } = await bundle({ folder: path.join(folder, 'a') });
    expect(await alone(file)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^usage: quorate operator/) });
  });
});

describe('a bundled client', () => {
  let cluster: LocalCluster;
  beforeAll(async () => {
    cluster = await LocalCluster.start('3.6');
  });
  afterAll(() => cluster?.stop());

  it('speaks every protocol, issues certificates and loads the S3 client, without a warning', async () => {
    const entry = 'test/integration/etcd/bundled.ts';
    const { file } = await bundle({ entry, folder: path.join(folder, 'client') });
    const input = JSON.stringify({ endpoint: cluster.endpoint(0), tls: cluster.tls });
    const { code, stdout, stderr } = await alone(file, input);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      version: '3.6.16',
      members: expect.arrayContaining(['orders-0', 'orders-1', 'orders-2']),
      revision: '1',
      hash: true,
      snapshot: true,
      alarms: [],
      served: 'orders',
      issued: ['quorate:bundled'],
      s3: 'function',
      health: 200,
    });
  });
});
