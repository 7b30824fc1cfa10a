// SPDX-License-Identifier: Apache-2.0
// Proves that the testbed is what it says: a real cluster whose parts can really be broken, and come back.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FILES } from './config.ts';
import { ensureTestbed, NODES, type Operations, type Testbed, until } from './index.ts';

const namespace = `testbed-test-${randomBytes(3).toString('hex')}`;
const ETCD = 'gcr.io/etcd-development/etcd:v3.6.16';
let testbed: Testbed & Operations;

const pod = (name: string) => ({ namespace, name });
const claimOf = (name: string) => ({ namespace, name: `data-${name}` });

interface Wanted {
  node?: string;
  size?: string;
}

/** A pod with one etcd on a volume of its own: it writes, listens, and has etcdctl inside. */
function etcdPod(name: string, { node, size = '512Mi' }: Wanted = {}) {
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: `data-${name}`, namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: { app: name } },
      spec: {
        ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'etcd',
            image: ETCD,
            command: [
              'etcd',
              '--data-dir=/data/etcd',
              '--listen-client-urls=http://0.0.0.0:2379',
              '--advertise-client-urls=http://127.0.0.1:2379',
            ],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
            readinessProbe: { tcpSocket: { port: 2379 }, periodSeconds: 1 },
          },
        ],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: `data-${name}` } }],
      },
    },
  ];
}

async function start(name: string, wanted: Wanted = {}): Promise<void> {
  await testbed.apply(etcdPod(name, wanted));
  await ready(name);
}

async function ready(name: string): Promise<void> {
  await testbed.kubectlResult(['-n', namespace, 'wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s'], {
    timeoutMs: 70_000,
  });
}

const etcdctl = (name: string, ...args: string[]) =>
  testbed.kubectl('-n', namespace, 'exec', name, '--', 'etcdctl', '--command-timeout=3s', '--dial-timeout=2s', ...args);

async function restarts(name: string): Promise<number> {
  const count = await testbed.kubectl(
    '-n',
    namespace,
    'get',
    'pod',
    name,
    '-o',
    'jsonpath={.status.containerStatuses[0].restartCount}',
  );
  return Number(count);
}

const reaches = (from: string, address: string): Promise<boolean> =>
  etcdctl(from, '--endpoints', `${address}:2379`, 'get', 'absent').then(
    () => true,
    () => false,
  );

/** Whether a datagram of one pod comes to another: unlike a connection it needs no way back. */
async function hears(to: string, from: string): Promise<boolean> {
  const { address } = await testbed.locate(pod(to));
  const send = `for i in $(seq 40); do echo there | socat -u - UDP-SENDTO:${address}:7777; sleep 0.1; done`;
  const [heard] = await Promise.all([
    testbed.inPodNetwork(pod(to), 'timeout 8 socat -u UDP-RECVFROM:7777 STDOUT || true'),
    testbed.inPodNetwork(pod(from), send),
  ]);
  return heard.includes('there');
}

beforeAll(async () => {
  testbed = await ensureTestbed();
  await testbed.kubectl('create', 'namespace', namespace);
}, 300_000);

afterAll(async () => {
  await testbed.healAll();
  await testbed.kubectl('delete', 'namespace', namespace, '--wait=false');
}, 120_000);

describe('a fresh testbed', () => {
  it('has three ready nodes in two zones', async () => {
    for (const { name } of NODES) await testbed.node(name).waitUntilReady();
    const { items } = await testbed.kubectlJson<{ items: { metadata: { labels: Record<string, string> } }[] }>(
      'get',
      'nodes',
    );
    expect(items.map((node) => node.metadata.labels['topology.kubernetes.io/zone'])).toEqual(['a', 'b', 'b']);
  });

  it('serves itself again within seconds', async () => {
    const began = performance.now();
    await ensureTestbed();
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('resolves names of services in pods, and leads to the object store', async () => {
    await start('dns');
    const answer = await testbed.inPodNetwork(
      pod('dns'),
      `exec 3<>/dev/null; printf 'GET / HTTP/1.0\\r\\n\\r\\n' | socat -t 5 - TCP:198.18.128.20:7070`,
    );
    expect(answer).toContain('AccessDenied');
    expect(await reaches('dns', `dns-client.${namespace}.svc`)).toBe(false);
    await testbed.kubectl('-n', namespace, 'expose', 'pod', 'dns', '--name=dns-other', '--port=2379');
    // DNS may have been asked a moment too early, and remembers its no for 30 s.
    await until('an answer', async () => ((await reaches('dns', `dns-other.${namespace}.svc`)) ? true : undefined));
  });

  it('records who did what', async () => {
    const since = await testbed.auditMark();
    await testbed.kubectl('-n', namespace, 'create', 'configmap', 'seen');
    const entries = await testbed.audit({ since, user: 'admin', verbs: ['create'], resource: 'configmaps', namespace });
    expect(entries.map(({ name, code }) => [name, code])).toEqual([['seen', 201]]);
  });
});

describe('logs', () => {
  it('of pods and of the cluster’s own parts can be read', async () => {
    expect(await testbed.podLogs(pod('dns'))).toContain('ready to serve client requests');
    expect(await testbed.componentLog('control-plane', 'kube-apiserver')).toContain('Serving securely');
  });
});

describe('images', () => {
  it('come from the engine into all nodes', async () => {
    const name = `quorate.dev/testbed/loaded:${randomBytes(3).toString('hex')}`;
    const env = { ...process.env, DOCKER_HOST: testbed.dockerHost, DOCKER_BUILDKIT: '0' };
    const context = await mkdtemp(path.join(tmpdir(), 'testbed-'));
    await writeFile(path.join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\nCMD ["/nothing"]\n');
    await promisify(execFile)('docker', ['build', '-q', '-t', name, context], { env });
    await rm(context, { recursive: true });
    await testbed.loadImage(name);
    for (const node of NODES) {
      const list = await testbed.exec(node.name, ['ctr', '--namespace', 'k8s.io', 'images', 'list', '-q']);
      expect(list.stdout).toContain(name);
    }
    await promisify(execFile)('docker', ['rmi', name], { env });
  });
});

describe('processes', () => {
  it('are killed from outside and started again by the kubelet', async () => {
    await start('victim');
    await testbed.restartContainer(pod('victim'), 'etcd');
    await until('a restart', async () => ((await restarts('victim')) === 1 ? true : undefined));
    await ready('victim');
    expect(await etcdctl('victim', 'put', 'a', 'b')).toBe('OK');
  });

  it('stand still while they are stopped', async () => {
    await testbed.killProcess(pod('victim'), 'etcd', 'SIGSTOP');
    await expect(etcdctl('victim', 'get', 'absent')).rejects.toThrow(/deadline|timed out|DeadlineExceeded/);
    await testbed.killProcess(pod('victim'), 'etcd', 'SIGCONT');
    await until('an answer', async () => {
      await etcdctl('victim', 'get', 'absent');
      return true;
    });
  });
});

describe('volumes', () => {
  it('grow while they are in use', async () => {
    await start('grows');
    const size = () => testbed.freeBytes(claimOf('grows'));
    const before = await size();
    const patch = { spec: { resources: { requests: { storage: '1Gi' } } } };
    await testbed.kubectl('-n', namespace, 'patch', 'pvc', 'data-grows', '-p', JSON.stringify(patch));
    await until('the growth', async () => ((await size()) > before + 400e6 ? true : undefined));
    expect(await restarts('grows')).toBe(0);
  });

  it('are full, and free again', async () => {
    const full = await testbed.fillVolume(claimOf('grows'));
    expect(await testbed.freeBytes(claimOf('grows'))).toBeLessThan(65_536);
    await full.heal();
    expect(await testbed.freeBytes(claimOf('grows'))).toBeGreaterThan(400e6);
  });

  it('become read-only, and writable again', async () => {
    await start('readonly');
    const fault = await testbed.failVolume(claimOf('readonly'), 'readonly');
    await until('a crash', async () => ((await restarts('readonly')) > 0 ? true : undefined));
    const mounted = await testbed.shell((await testbed.locate(pod('readonly'))).node, 'grep /dev/loop /proc/mounts');
    expect(mounted.stdout).toMatch(/xfs ro,/);
    await fault.heal();
    await ready('readonly');
  });

  it('fail every access, and are replaced by a sound disk with the same data', async () => {
    await start('broken');
    await etcdctl('broken', 'put', 'kept', 'yes');
    const fault = await testbed.failVolume(claimOf('broken'), 'io-error');
    await expect(etcdctl('broken', 'put', 'lost', 'yes')).rejects.toThrow(/etcdctl/);
    await testbed.kubectlResult(['-n', namespace, 'wait', 'pod/broken', '--for=condition=Ready=false']);
    await fault.heal();
    await until('the end of the pod', async () => {
      const names = await testbed.kubectl('-n', namespace, 'get', 'pods', '-o', 'name');
      return names.includes('pod/broken') ? undefined : true;
    });
    await start('broken');
    expect(await etcdctl('broken', 'get', 'kept', '--print-value-only')).toBe('yes');
  });

  it('hang while they are frozen', async () => {
    const fault = await testbed.failVolume(claimOf('broken'), 'frozen');
    await expect(etcdctl('broken', 'put', 'a', 'b')).rejects.toThrow(/deadline|timed out/);
    await fault.heal();
    await until('a write', async () => {
      await etcdctl('broken', 'put', 'a', 'b');
      return true;
    });
  });

  it('lose their files, mounted or not', async () => {
    await testbed.emptyDataDirectory(pod('broken'));
    await testbed.killProcess(pod('broken'), 'etcd');
    await until('an empty store', async () =>
      (await etcdctl('broken', 'get', 'kept', '--print-value-only')) === '' ? true : undefined,
    );
    await etcdctl('broken', 'put', 'kept', 'again');
    await testbed.kubectl('-n', namespace, 'delete', 'pod', 'broken', '--grace-period=1');
    await testbed.emptyVolume(claimOf('broken'));
    await start('broken');
    expect(await etcdctl('broken', 'get', 'kept', '--print-value-only')).toBe('');
  });

  it('are mounted late when the driver is slow', async () => {
    const slow = await testbed.disturbVolume('all', { NodeStageVolume: { error: 'the disk is not there yet' } });
    await testbed.apply(etcdPod('late'));
    await until('a complaint', async () => {
      const events = await testbed.kubectl('-n', namespace, 'get', 'events', '-o', 'jsonpath={.items[*].message}');
      return events.includes('the disk is not there yet') ? true : undefined;
    });
    await slow.heal();
    await ready('late');
    expect(await etcdctl('late', 'put', 'a', 'b')).toBe('OK');
  });
});

describe('the network', () => {
  it('is cut between two pods and nobody else', async () => {
    await Promise.all([
      start('left', { node: 'node1' }),
      start('right', { node: 'node2' }),
      start('near', { node: 'node1' }),
    ]);
    const [right, near] = await Promise.all([testbed.locate(pod('right')), testbed.locate(pod('near'))]);
    const cuts = [await testbed.cutPods(pod('left'), pod('right')), await testbed.cutPods(pod('left'), pod('near'))];
    expect(await reaches('left', right.address)).toBe(false);
    expect(await reaches('left', near.address)).toBe(false);
    expect(await reaches('near', right.address)).toBe(true);
    for (const cut of cuts) await cut.heal();
    expect(await reaches('left', right.address)).toBe(true);
    expect(await reaches('left', near.address)).toBe(true);
  });

  it('is cut in one direction only', async () => {
    const cut = await testbed.cutPods(pod('left'), pod('right'), { oneWay: true });
    expect(await hears('right', 'left')).toBe(false);
    expect(await hears('left', 'right')).toBe(true);
    await cut.heal();
    expect(await hears('right', 'left')).toBe(true);
  });

  it('is slow between two pods', async () => {
    const right = await testbed.locate(pod('right'));
    const seconds = async () => {
      const began = performance.now();
      const value = 'x'.repeat(100_000);
      await etcdctl('left', '--endpoints', `${right.address}:2379`, 'put', 'big', value);
      return (performance.now() - began) / 1000;
    };
    expect(await seconds()).toBeLessThan(1);
    const slow = await testbed.slowPods(pod('left'), pod('right'), '512kbit');
    expect(await seconds()).toBeGreaterThan(1);
    await slow.heal();
    expect(await seconds()).toBeLessThan(1);
  });

  it('is cut around a node', async () => {
    const right = await testbed.locate(pod('right'));
    const cut = await testbed.partition('node2', { from: ['node1'] });
    expect(await reaches('left', right.address)).toBe(false);
    await cut.heal();
    expect(await reaches('left', right.address)).toBe(true);
  });

  it('is cut between a node and everybody, and whole when all is healed', async () => {
    const right = await testbed.locate(pod('right'));
    await testbed.partition('node2');
    expect(await reaches('left', right.address)).toBe(false);
    const fromNode3 = `timeout 3 bash -c '</dev/tcp/${right.address}/2379'`;
    expect((await testbed.shell('node3', fromNode3, { allowFailure: true })).exitCode).not.toBe(0);
    await testbed.healAll();
    expect(await reaches('left', right.address)).toBe(true);
    await testbed.shell('node3', fromNode3);
  });

  it('tells the name of a new service at once when DNS does not cache', async () => {
    await testbed.setDns('direct');
    expect(await reaches('left', `asked-too-early.${namespace}.svc`)).toBe(false);
    await testbed.kubectl('-n', namespace, 'expose', 'pod', 'right', '--name=asked-too-early', '--port=2379');
    // A cache would remember its no for 30 s.
    const answer = async () => ((await reaches('left', `asked-too-early.${namespace}.svc`)) ? true : undefined);
    const known = await until('an answer', answer, { timeoutMs: 15_000 }).catch(() => false);
    await testbed.setDns('cached');
    expect(known, 'within 15 s').toBe(true);
  });
});

describe('a paused node', () => {
  it('stands still with its pods, and goes on as if nothing had been', async () => {
    const right = await testbed.locate(pod('right'));
    const before = await restarts('right');
    await testbed.node('node2').pause();
    expect(await reaches('left', right.address)).toBe(false);
    await testbed.node('node2').unpause();
    await until('an answer', async () => ((await reaches('left', right.address)) ? true : undefined));
    expect(await restarts('right')).toBe(before);
  });
});

describe('a killed node', () => {
  it('gives its volume to another node, with the data', async () => {
    await start('moves', { node: 'node3' });
    await etcdctl('moves', 'put', 'kept', 'yes');
    await testbed.node('node3').kill();
    await testbed.kubectl('-n', namespace, 'delete', 'pod', 'moves', '--force', '--grace-period=0');
    await start('moves', { node: 'node2' });
    expect(await etcdctl('moves', 'get', 'kept', '--print-value-only')).toBe('yes');
    await testbed.node('node3').start();
  });

  it('comes back with its pods', async () => {
    await start('stays', { node: 'node3' });
    await etcdctl('stays', 'put', 'kept', 'yes');
    await testbed.node('node3').restart();
    await until('the restarted pod', async () => ((await restarts('stays')) > 0 ? true : undefined));
    await ready('stays');
    expect(await etcdctl('stays', 'get', 'kept', '--print-value-only')).toBe('yes');
  });

  it('that is only told to stop lets its containers end in order, and comes back with them', async () => {
    const before = await restarts('stays');
    await testbed.node('node3').stop();
    await expect(testbed.exec('node3', ['true'])).rejects.toThrow(/not running/);
    await testbed.node('node3').start();
    await until('the restarted pod', async () => ((await restarts('stays')) > before ? true : undefined));
    await ready('stays');
    // From the files of the node: what was said before the stop is there, whatever Kubernetes remembers of it.
    const said = await testbed.shell('node3', `cat /var/log/pods/${namespace}_stays_*/etcd/*.log`);
    expect(said.stdout).toContain('received signal; shutting down');
  });
});

describe('a killed run', () => {
  it('leaves no lock behind', async () => {
    const cli = path.join(import.meta.dirname, 'cli.ts');
    const child = spawn(process.execPath, [cli, 'up'], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await until('its lock', async () => (existsSync(FILES.lock) ? true : undefined));
    child.kill('SIGKILL');
    await ended;
    const began = performance.now();
    await ensureTestbed();
    expect(performance.now() - began).toBeLessThan(30_000);
  });

  it('of the engine leaves the nodes running, and another engine takes them over', async () => {
    const pid = Number(await readFile(path.join(FILES.engine, 'docker.pid'), 'utf8').catch(() => '0'));
    // A machine's own engine is not ours to kill.
    if (pid === 0) return;
    await start('outlives');
    await etcdctl('outlives', 'put', 'kept', 'yes');
    process.kill(pid, 'SIGKILL');
    await until('the end of the engine', async () => (existsSync(`/proc/${pid}`) ? undefined : true));
    testbed = await ensureTestbed();
    expect(await etcdctl('outlives', 'get', 'kept', '--print-value-only')).toBe('yes');
    expect(await restarts('outlives')).toBe(0);
  });
});
