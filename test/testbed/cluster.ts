// SPDX-License-Identifier: Apache-2.0
// Brings the cluster up, from whatever state an earlier run or a fault left, and takes it down again.
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, readlink, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { ADDRESSES, FILES, NODES, STATE } from './config.ts';
import { ensureContainer, ensureNetwork, ensureVolumes, exec, removeEverything } from './docker.ts';
import { ensureEngine, findEngine, stopOwnEngine } from './engine.ts';
import { waitUntilReady } from './faults/nodes.ts';
import { ensureArchives, type ImageFile, importImages } from './images.ts';
import { apply, kubectlJson, kubectlResult } from './kubectl.ts';
import { locked } from './lock.ts';
import { CONTROL_PLANE, controlPlanePlan, nodePlan, S3, s3Plan, VOLUMES } from './nodes.ts';
import { type DnsMode, dnsObjects, nodeObjects, storageObjects, storeObjects } from './objects.ts';
import { ensureParts, type PartFolders } from './parts.ts';
import { ensurePki, writeKubeconfig } from './pki.ts';
import { type Progress, StepError } from './progress.ts';
import { ensureBaseImage } from './rootfs.ts';
import { HopelessError, until } from './run.ts';
import { ensureBucket, objectStore } from './s3.ts';
import { ensureSettings, type Settings } from './settings.ts';

async function linkPrograms(parts: PartFolders): Promise<void> {
  await mkdir(FILES.bin, { recursive: true });
  const programs = {
    kubectl: `${parts['kubernetes']}/kubectl`,
    helm: `${parts['helm']}/helm`,
    etcdctl: `${parts['etcd-3.6']}/etcdctl`,
    etcdutl: `${parts['etcd-3.6']}/etcdutl`,
  };
  for (const [name, target] of Object.entries(programs)) {
    const at = path.join(FILES.bin, name);
    if ((await readlink(at).catch(() => '')) === target) continue;
    await rm(at, { force: true });
    await symlink(target, at);
  }
}

// A busy machine is slow, and what does not come up in this time is taken for broken and made anew.
const PATIENCE = { timeoutMs: 180_000 };

const logOf = (name: string, file: string): string => path.join(FILES.logs, name, `${file}.log`);

/** How often the cluster's store has ended, by its log. */
async function storeEnds(): Promise<number> {
  const log = await readFile(logOf(CONTROL_PLANE, 'etcd'), 'utf8').catch(() => '');
  return log.split('testbed: etcd ended').length - 1;
}

async function startControlPlane(parts: PartFolders, settings: Settings, progress: Progress): Promise<void> {
  const before = await storeEnds();
  await ensureContainer(await controlPlanePlan(parts, settings));
  const ready = async () => {
    if ((await storeEnds()) > before + 8) throw new HopelessError("the cluster's store cannot be read");
    await kubectlResult(['get', '--raw=/readyz', '--request-timeout=5s'], { timeoutMs: 10_000 });
    return true;
  };
  await progress.step('wait for the API server', () => until('a ready API server', ready, PATIENCE), {
    log: logOf(CONTROL_PLANE, 'kube-apiserver'),
  });
  // Roles of the cluster's own parts are written a moment after the server says it is ready.
  await until('the first objects', async () => {
    await apply([...nodeObjects(), ...storageObjects(), ...storeObjects()]);
    return true;
  });
}

/** Returns since when the node must have been heard of: what is written down about it may be older than its start. */
async function startNode(name: string, parts: PartFolders, images: readonly ImageFile[]): Promise<Date> {
  const plan = NODES.find((node) => node.name === name);
  if (plan === undefined) throw new Error(`no node ${name}`);
  const now = new Date();
  const state = await ensureContainer(await nodePlan(plan, parts));
  await until(`containerd of ${name}`, async () => {
    await importImages(name, images);
    return true;
  });
  return state === 'kept' ? new Date(0) : now;
}

interface CsiNode {
  metadata: { name: string };
  spec: { drivers?: object[] | null };
}

async function waitForNodes(since: readonly Date[], progress: Progress): Promise<void> {
  await progress.step(
    'wait for nodes',
    () =>
      Promise.all(
        NODES.map(({ name }, index) => waitUntilReady(name, { since: since[index] ?? new Date(0), ...PATIENCE })),
      ),
    { log: logOf('node1', 'kubelet') },
  );
  await progress.step('wait for storage', () =>
    until(
      'the storage driver on all nodes',
      async () => {
        const { items } = await kubectlJson<{ items: CsiNode[] }>('get', 'csinodes');
        return items.filter((item) => (item.spec.drivers ?? []).length > 0).length === NODES.length ? true : undefined;
      },
      PATIENCE,
    ),
  );
}

const ASK_DNS = `const dns = new (require('node:dns').promises.Resolver)({ timeout: 500, tries: 1 });
dns.setServers(['${ADDRESSES.dns}']);
dns.resolve4('kubernetes.default.svc.cluster.local').then(() => process.exit(0), () => process.exit(1));`;

/** Through the service address, from a node, as pods do. */
async function waitForDns(progress: Progress): Promise<void> {
  await progress.step('wait for DNS', () =>
    until(
      'an answer of DNS',
      async () => {
        await exec('node2', ['/testbed/node', '-e', ASK_DNS]);
        return true;
      },
      PATIENCE,
    ),
  );
}

/** Changes how DNS caches, and waits until it does. */
export async function setDns(mode: DnsMode): Promise<void> {
  await apply(dnsObjects(mode));
  await kubectlResult(['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=60s'], {
    timeoutMs: 70_000,
  });
}

/** As Promise.all, but a failure is thrown only when nothing is under way any more. */
async function allOrFirstError<T extends readonly unknown[]>(
  work: {
    [K in keyof T]: Promise<T[K]>;
  },
): Promise<T> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

async function startCluster(parts: PartFolders, settings: Settings, dns: DnsMode, progress: Progress): Promise<void> {
  const images = await progress.step('make images', () => ensureArchives(parts));
  await ensureNetwork();
  await ensureVolumes(VOLUMES);
  const store = objectStore(settings);
  const [since] = await allOrFirstError([
    allOrFirstError(
      NODES.map((node) =>
        progress.step(`${node.name} with images`, () => startNode(node.name, parts, images), {
          log: logOf(node.name, 'containerd'),
        }),
      ),
    ),
    progress.step('control plane', () => startControlPlane(parts, settings, progress)),
    progress.step(
      'object store',
      async () => {
        await ensureContainer(await s3Plan(parts, settings));
        await ensureBucket(store);
      },
      { log: logOf(S3, 'versitygw') },
    ),
  ]);
  await progress.step('DNS objects', () => apply(dnsObjects(dns)));
  await waitForNodes(since, progress);
  await waitForDns(progress);
}

export interface Running {
  readonly settings: Settings;
  readonly parts: PartFolders;
}

/** Everything from nothing to a usable cluster; each step finds out by itself what is left to do. */
export function bringUp(dns: DnsMode, progress: Progress): Promise<Running> {
  return locked(progress, async () => {
    await ensureEngine(progress);
    const parts = await ensureParts(progress);
    await progress.step('keys and settings', ensurePki);
    const settings = await ensureSettings();
    await linkPrograms(parts);
    await writeKubeconfig(settings.apiPort);
    await ensureBaseImage(progress);
    try {
      await startCluster(parts, settings, dns, progress);
    } catch (error) {
      if (!(error instanceof StepError) || !existsSync(path.join(STATE, 'complete'))) throw error;
      // It ran once, so what is broken is its state: a cluster without that state starts from the beginning.
      progress.note(`${error.message}\n  the cluster is made anew`);
      await rm(path.join(STATE, 'complete'), { force: true });
      await removeEverything({ images: false });
      await startCluster(parts, settings, dns, progress);
    }
    await (await open(path.join(STATE, 'complete'), 'w')).close();
    return { settings, parts };
  });
}

/** Removes everything that the testbed made on this machine, except the cache of what was built. */
export async function takeDown(progress: Progress): Promise<void> {
  if (!existsSync(STATE)) return;
  await locked(progress, async () => {
    // A killed engine is started once more, because only an engine can remove what it holds.
    const engine = (await findEngine()) ?? (existsSync(FILES.engine) ? await ensureEngine(progress) : undefined);
    if (engine !== undefined) {
      await progress.step('remove containers, volumes, network', () => removeEverything({ images: true }));
    }
    await progress.step('stop the engine', stopOwnEngine);
  });
  await rm(STATE, { recursive: true, force: true });
}
