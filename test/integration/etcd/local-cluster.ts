// SPDX-License-Identifier: Apache-2.0
// Runs a real etcd cluster with mutual TLS as processes on loopback, and takes its members away in several ways.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { stringify } from 'yaml';
import { probe } from '../../../src/etcd/handshake.ts';
import type { ClientTls, Endpoint } from '../../../src/etcd/types.ts';
import { createAuthority, issueLeaf, type KeyCertificate } from '../../../src/tls/authority.ts';
import { ensureParts } from '../../testbed/parts.ts';
import { silent } from '../../testbed/progress.ts';

const PORTS = { clientPort: 12_379, peerPort: 12_380, metricsPort: 12_381 };

/** Ordinals 0 to 2 vote; 3 is there to join as a learner. */
const ORDINALS = [0, 1, 2, 3] as const;

export interface LocalMember {
  readonly endpoint: Endpoint;
  readonly peerUrl: string;
  readonly folder: string;
}

/** The folder with the programs of this minor version. */
async function programs(minor: string): Promise<string> {
  const folder = (await ensureParts(silent))[`etcd-${minor}`];
  if (folder === undefined) throw new Error(`the testbed has no etcd ${minor}`);
  return folder;
}

export class LocalCluster {
  readonly bin: string;
  readonly folder: string;
  readonly members: LocalMember[];
  readonly ca: KeyCertificate;
  readonly server: KeyCertificate;
  /** The leaf without names with which peers dial each other. */
  readonly dialling: KeyCertificate;
  readonly tls: ClientTls;
  readonly #children = new Map<string, ChildProcess>();

  private constructor(o: Pick<LocalCluster, 'bin' | 'folder' | 'members' | 'ca' | 'server' | 'dialling' | 'tls'>) {
    this.bin = o.bin;
    this.folder = o.folder;
    this.members = o.members;
    this.ca = o.ca;
    this.server = o.server;
    this.dialling = o.dialling;
    this.tls = o.tls;
  }

  static async start(minor: string): Promise<LocalCluster> {
    const bin = await programs(minor);
    const folder = await mkdtemp(path.join(tmpdir(), `quorate-etcd-${minor}-`));
    const net = `127.${randomInt(1, 250)}.${randomInt(1, 250)}`;
    const members = ORDINALS.map((n) => ({
      endpoint: { name: `orders-${n}`, host: `${net}.${n + 1}`, serverName: `orders-${n}.shop.svc`, ...PORTS },
      peerUrl: `https://${net}.${n + 1}:${PORTS.peerPort}`,
      folder: path.join(folder, `orders-${n}`),
    }));
    const ca = await createAuthority({ commonName: 'test CA' });
    const server = await issueLeaf(ca, {
      commonName: 'orders',
      dnsNames: members.map((m) => m.endpoint.serverName),
      ipAddresses: members.map((m) => m.endpoint.host),
      usages: ['server', 'client'],
    });
    const client = await issueLeaf(ca, { commonName: 'operator', usages: ['client'] });
    const dialling = await issueLeaf(ca, { commonName: 'peer', usages: ['client'] });
    const tls = { ca: ca.cert, ...client };
    const cluster = new LocalCluster({ bin, folder, members, ca, server, dialling, tls });
    await cluster.#writeFiles();
    try {
      await Promise.all(members.slice(0, 3).map((_, n) => cluster.run(n)));
      return cluster;
    } catch (e) {
      await cluster.stop();
      throw e;
    }
  }

  endpoint(n: number): Endpoint {
    return this.#member(n).endpoint;
  }

  /** Starts a member and waits until it serves. */
  async run(n: number): Promise<void> {
    const { endpoint } = this.#member(n);
    this.launch(n);
    const ready = '/readyz?exclude=linearizable_read&exclude=non_learner';
    const deadline = Date.now() + 20_000;
    while (!(await probe(endpoint, ready, { timeoutMs: 500 }))) {
      if (Date.now() > deadline) throw new Error(`${endpoint.name} did not start:\n${await this.log(n)}`);
      await delay(20);
    }
  }

  /** Starts a member without waiting for anything. */
  launch(n: number): void {
    const { endpoint, folder } = this.#member(n);
    const child = spawn(path.join(this.bin, 'etcd'), ['--config-file', path.join(folder, 'etcd.yaml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {},
    });
    child.stderr.pipe(createWriteStream(path.join(folder, 'log'), { flags: 'a' }));
    this.#children.set(endpoint.name, child);
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(n: number): Promise<void> {
    const child = this.#children.get(this.endpoint(n).name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Resolves when every thread has stopped: until then a busy machine may let it answer. */
  async pause(n: number): Promise<void> {
    const child = this.#children.get(this.endpoint(n).name);
    child?.kill('SIGSTOP');
    const tasks = `/proc/${child?.pid}/task`;
    const states = async () =>
      Promise.all((await readdir(tasks)).map((id) => readFile(path.join(tasks, id, 'stat'), 'utf8')));
    while (!(await states()).every((stat) => /^\d+ \(.*\) T/.test(stat))) await delay(1);
  }

  resume(n: number): void {
    this.#children.get(this.endpoint(n).name)?.kill('SIGCONT');
  }

  log(n: number): Promise<string> {
    return readFile(path.join(this.#member(n).folder, 'log'), 'utf8');
  }

  /** A stock client of the first member, for what a user of the cluster does. The caller closes it. */
  user(n = 0): Etcd3 {
    const { name } = this.endpoint(n);
    const { ca, cert, key } = this.tls;
    const [rootCertificate, certChain, privateKey] = [ca, cert, key].map((pem) => Buffer.from(pem));
    if (rootCertificate === undefined) throw new Error(`no authority for ${name}`);
    return new Etcd3({
      hosts: `https://${this.endpoint(n).host}:${PORTS.clientPort}`,
      credentials: { rootCertificate, certChain, privateKey },
      grpcOptions: { 'grpc.ssl_target_name_override': this.endpoint(n).serverName },
    });
  }

  async writeServerLeaf(leaf: KeyCertificate): Promise<void> {
    await Promise.all(this.members.map((m) => writeFile(path.join(m.folder, 'tls.crt'), leaf.cert)));
  }

  async stop(): Promise<void> {
    for (const n of ORDINALS) await this.kill(n);
    await rm(this.folder, { recursive: true, force: true });
  }

  #member(n: number): LocalMember {
    const member = this.members[n];
    if (member === undefined) throw new Error(`no member ${n}`);
    return member;
  }

  async #writeFiles(): Promise<void> {
    for (const [n, member] of this.members.entries()) {
      await mkdir(member.folder);
      const { ca, server, dialling } = this;
      const files = {
        'ca.crt': ca.cert,
        'tls.crt': server.cert,
        'tls.key': server.key,
        'peer.crt': dialling.cert,
        'peer.key': dialling.key,
      };
      for (const [name, text] of Object.entries(files)) await writeFile(path.join(member.folder, name), text);
      await writeFile(path.join(member.folder, 'etcd.yaml'), stringify(this.#config(n)));
    }
  }

  #config(n: number): object {
    const { endpoint, folder, peerUrl } = this.#member(n);
    const clientUrl = `https://${endpoint.host}:${PORTS.clientPort}`;
    const security = {
      'cert-file': path.join(folder, 'tls.crt'),
      'key-file': path.join(folder, 'tls.key'),
      'trusted-ca-file': path.join(folder, 'ca.crt'),
      'client-cert-auth': true,
    };
    const peers = this.members.slice(0, n === 3 ? 4 : 3).map((m) => `${m.endpoint.name}=${m.peerUrl}`);
    return {
      name: endpoint.name,
      'data-dir': path.join(folder, 'data'),
      'listen-client-urls': clientUrl,
      'advertise-client-urls': clientUrl,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'listen-metrics-urls': `http://${endpoint.host}:${PORTS.metricsPort}`,
      'initial-cluster': peers.join(','),
      'initial-cluster-state': n === 3 ? 'existing' : 'new',
      'heartbeat-interval': 50,
      'election-timeout': 500,
      'quota-backend-bytes': 256 << 20,
      'unsafe-no-fsync': true,
      'client-transport-security': security,
      // A dialling peer with names in its certificate would be checked by reverse DNS, which loopback does not have.
      'peer-transport-security': {
        ...security,
        'client-cert-file': path.join(folder, 'peer.crt'),
        'client-key-file': path.join(folder, 'peer.key'),
      },
    };
  }
}
