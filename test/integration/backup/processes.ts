// SPDX-License-Identifier: Apache-2.0
// Real etcd and a real S3 server as processes on loopback, for tests of the backup program.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Etcd3 } from 'etcd3';
import { createAuthority, issueLeaf } from '../../../src/tls/authority.ts';

const run = promisify(execFile);

/** A program that the testbed has built. */
export function part(name: string, program: string): string {
  const root = join(process.env.QUORATE_CACHE ?? join(homedir(), '.cache', 'quorate'), 'parts');
  const folder = readdirSync(root).find((f) => f.startsWith(`${name}-`));
  if (folder === undefined) throw new Error(`${name} is not built: run make testbed first`);
  return join(root, folder, 'bin', program);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Until somebody listens, at most `ms`. */
async function listening(port: number, child: ChildProcess, ms = 20_000): Promise<void> {
  const deadline = performance.now() + ms;
  for (;;) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.on('close', () => socket.destroy());
      socket.once('connect', () => socket.end());
    });
    if (up) return;
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(`nobody listens on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export class Processes {
  readonly #children = new Set<ChildProcess>();

  start(program: string, args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH, ...env } });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    child.stdout.resume();
    child.stderr.resume();
    return child;
  }

  async kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children].map((c) => this.kill(c)));
  }
}

export interface TestStore {
  readonly endpoint: string;
  readonly port: number;
  readonly root: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  child: ChildProcess;
}

/** `tlsDir`: serves HTTPS with `server.crt` and `server.key` from there. */
export async function startStore(
  p: Processes,
  dir: string,
  o: { port?: number; tlsDir?: string } = {},
): Promise<TestStore> {
  const at = o.port ?? (await freePort());
  const root = join(dir, 's3');
  await mkdir(join(root), { recursive: true });
  await mkdir(join(dir, 'iam'), { recursive: true });
  const [accessKeyId, secretAccessKey] = ['testroot', 'canary-secret-5f1c2a'];
  const args = [
    '--access',
    accessKeyId,
    '--secret',
    secretAccessKey,
    '--port',
    `127.0.0.1:${at}`,
    '--iam-dir',
    join(dir, 'iam'),
    ...(o.tlsDir === undefined ? [] : ['--cert', join(o.tlsDir, 'server.crt'), '--key', join(o.tlsDir, 'server.key')]),
    '--quiet',
    'posix',
    root,
  ];
  const child = p.start(part('versitygw', 'versitygw'), args);
  await listening(at, child);
  const scheme = o.tlsDir === undefined ? 'http' : 'https';
  return { endpoint: `${scheme}://127.0.0.1:${at}`, port: at, root, accessKeyId, secretAccessKey, child };
}

export interface TestEtcd {
  readonly name: string;
  readonly clientPort: number;
  readonly dataDir: string;
  child: ChildProcess;
  restart(): Promise<void>;
}

export interface TestEtcds {
  readonly members: readonly TestEtcd[];
  readonly tlsDir: string;
  readonly version: string;
  etcdctl(...args: string[]): Promise<string>;
}

async function writeCertificates(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const ca = await createAuthority({ commonName: 'test CA' });
  const server = await issueLeaf(ca, {
    commonName: 'server',
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    usages: ['server', 'client'],
  });
  const client = await issueLeaf(ca, { commonName: 'quorate-backup', usages: ['client'] });
  const files = {
    'ca.crt': ca.cert,
    'server.crt': server.cert,
    'server.key': server.key,
    'tls.crt': client.cert,
    'tls.key': client.key,
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(dir, name), text)));
}

/** To be closed by the caller. */
export async function connectTo(etcds: TestEtcds): Promise<Etcd3> {
  const read = (name: string): Promise<Buffer> => readFile(join(etcds.tlsDir, name));
  const rootCertificate = await read('ca.crt');
  return new Etcd3({
    hosts: `https://127.0.0.1:${etcds.members[0]?.clientPort}`,
    credentials: { rootCertificate, certChain: await read('tls.crt'), privateKey: await read('tls.key') },
  });
}

/** One cluster of `size` members with mutual TLS for clients. */
export async function startEtcd(p: Processes, dir: string, o: { size: number; version?: string }): Promise<TestEtcds> {
  const version = o.version ?? '3.6';
  const tlsDir = join(dir, 'tls');
  await writeCertificates(tlsDir);
  const ports = await Promise.all(Array.from({ length: o.size * 2 }, () => freePort()));
  const peer = (i: number): string => `http://127.0.0.1:${ports[i * 2]}`;
  const initial = Array.from({ length: o.size }, (_, i) => `m${i}=${peer(i)}`).join(',');
  const members = await Promise.all(
    Array.from({ length: o.size }, async (_, i): Promise<TestEtcd> => {
      const clientPort = ports[i * 2 + 1] as number;
      const url = `https://127.0.0.1:${clientPort}`;
      const dataDir = join(dir, `m${i}`);
      const args = [
        '--name',
        `m${i}`,
        '--data-dir',
        dataDir,
        '--unsafe-no-fsync',
        '--log-level',
        'error',
        '--quota-backend-bytes',
        '8589934592',
      ];
      args.push('--listen-client-urls', url, '--advertise-client-urls', url, '--client-cert-auth');
      args.push(
        '--cert-file',
        join(tlsDir, 'server.crt'),
        '--key-file',
        join(tlsDir, 'server.key'),
        '--trusted-ca-file',
        join(tlsDir, 'ca.crt'),
      );
      args.push('--listen-peer-urls', peer(i), '--initial-advertise-peer-urls', peer(i), '--initial-cluster', initial);
      const start = (): ChildProcess => p.start(part(`etcd-${version}`, 'etcd'), args);
      const member: TestEtcd = {
        name: `m${i}`,
        clientPort,
        dataDir,
        child: start(),
        restart: async () => {
          member.child = start();
          await listening(clientPort, member.child);
        },
      };
      await listening(clientPort, member.child);
      return member;
    }),
  );
  const etcdctl = async (...args: string[]): Promise<string> => {
    const flags = [
      '--cacert',
      join(tlsDir, 'ca.crt'),
      '--cert',
      join(tlsDir, 'tls.crt'),
      '--key',
      join(tlsDir, 'tls.key'),
    ];
    const endpoints = members.map((m) => `https://127.0.0.1:${m.clientPort}`).join(',');
    const { stdout } = await run(part(`etcd-${version}`, 'etcdctl'), ['--endpoints', endpoints, ...flags, ...args], {
      maxBuffer: 2 ** 28,
    });
    return stdout;
  };
  return { members, tlsDir, version, etcdctl };
}
