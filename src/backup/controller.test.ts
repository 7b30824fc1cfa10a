// SPDX-License-Identifier: Apache-2.0
// Tests of what the controller of backups does while its cache is behind its own writes.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { EtcdBackup } from '../api/backup.ts';
import { KubeError } from '../runtime/errors.ts';
import type { Job, Pod } from '../runtime/resources.ts';
import { BackupController, type BackupControllerDeps } from './controller.ts';
import { backup, cluster, job, NOW, observed, pod, success } from './fixtures.ts';
import { encodeResult } from './result.ts';

beforeEach(() => void vi.useFakeTimers({ now: NOW }));
afterEach(() => void vi.useRealTimers());

const TLS = ['ca.crt', 'tls.crt', 'tls.key'];
const UID = '0f9e8d7c-1111-4222-8333-444455556667';

const owned = (made: Job, owner: EtcdBackup): Job => {
  const { name, uid } = owner.metadata;
  const reference = { apiVersion: 'v', kind: 'EtcdBackup', name, uid: uid as string, controller: true };
  return { ...made, metadata: { ...made.metadata, ownerReferences: [reference], resourceVersion: '7' } };
};

/** What the API server does not do. */
interface Fails {
  list?: Error;
  delete?: Error;
}

/** A controller whose cache is what the test says, and an API server that knows what was written. */
function world(backups: readonly EtcdBackup[], livesAs?: { now: EtcdBackup | undefined }, fails: Fails = {}) {
  const cache: { jobs: Job[]; pods: Pod[] } = { jobs: [], pods: [] };
  const server = new Map<string, Job>();
  const said: EtcdBackup['status'][] = [];
  const deleted: object[] = [];
  const events: string[] = [];
  const named = (name: string) => backups.find((b) => b.metadata.name === name);
  const secret = { data: Object.fromEntries(['accessKeyId', 'secretAccessKey', ...TLS].map((key) => [key, 'x'])) };
  let reconcile: ((key: object, ctx: object) => Promise<unknown>) | undefined;
  const store = <T extends { metadata: { name: string } }>(list: () => readonly T[]) => ({
    list,
    get: ({ name }: { name: string }) => list().find((o) => o.metadata.name === name),
    onChange: () => undefined,
  });
  const live: Record<string, (name: string) => unknown> = {
    EtcdBackup: (name) => (livesAs === undefined ? named(name) : livesAs.now),
    EtcdCluster: () => cluster(),
    Job: (name) => server.get(name),
    Secret: () => secret,
  };
  void new BackupController({
    manager: {
      controller: (o: { reconcile: typeof reconcile }) => {
        reconcile = o.reconcile;
      },
    },
    client: {
      find: ({ kind }: { kind: string }, { name }: { name: string }) => Promise.resolve(live[kind]?.(name)),
      list: () => (fails.list === undefined ? Promise.resolve(cache.pods) : Promise.reject(fails.list)),
      get: (_: unknown, { name }: { name: string }) => Promise.resolve(server.get(name)),
      create: (_: unknown, made: Job) => {
        if (server.has(made.metadata.name)) return Promise.reject(new KubeError('AlreadyExists', 'there'));
        server.set(made.metadata.name, made);
        return Promise.resolve(made);
      },
      apply: (_: unknown, { status }: EtcdBackup) => Promise.resolve(said.push(status)),
      delete: (_: unknown, { metadata: { name, uid, resourceVersion } }: Job) =>
        fails.delete !== undefined
          ? Promise.reject(fails.delete)
          : Promise.resolve(deleted.push({ name, uid, resourceVersion })),
    },
    events: { emit: (_: unknown, { reason }: { reason: string }) => events.push(reason) },
    backups: store(() => backups),
    clusters: store(() => [cluster()]),
    jobs: store(() => cache.jobs),
    pods: store(() => cache.pods),
    settings: observed().settings,
    clusterChanged: () => undefined,
  } as unknown as BackupControllerDeps);
  const look = (name: string, failingMs?: number) => {
    const failingSince = failingMs === undefined ? undefined : performance.now() - failingMs;
    const log = { info: () => undefined, warn: () => undefined };
    return reconcile?.({ namespace: 'shop', name }, { log, failingSince, signal: new AbortController().signal });
  };
  return { look, cache, server, said, deleted, events };
}

it('of two backups of one second only one gets a Job, also before the cache shows it', async () => {
  const first = backup({ name: 'b' });
  const second = backup({ name: 'a', metadata: { uid: UID } });
  const backups = [first];
  const { look, cache, server } = world(backups);
  await look('b');
  // The other one comes before it by name, but is seen only now.
  backups.push(second);
  await look('a');
  await look('a');
  expect([...server.keys()]).toEqual(['b-0f9e8d7c-1']);
  cache.jobs = [...server.values()];
  await look('a');
  await look('a');
  expect(server.size).toBe(1);
});

it.each([
  ['of this backup is told as started, though nobody said that it was made', true, ['Started']],
  ['of somebody else is told as such, and not started', false, ['JobRefused']],
])('a Job that is there already and %s', async (_, ours, reasons) => {
  const subject = backup({ name: 'b' });
  const { look, server, events } = world([subject]);
  const there = job(1);
  server.set('b-0f9e8d7c-1', ours ? owned(there, subject) : there);
  await look('b')?.catch((e: unknown) => expect(e).toMatchObject({ code: 'Invalid' }));
  expect(events).toEqual(reasons);
});

it.each<[string, EtcdBackup | undefined]>([
  ['is done by now', backup({ status: { completionTime: '2026-11-23T07:00:20Z', conditions: [] } })],
  ['is gone', undefined],
  ['was made anew under its name', backup({ metadata: { uid: UID } })],
])('a backup that %s, though the cache does not show it, gets no Job', async (_, now) => {
  const { look, server } = world([backup()], { now });
  await look('orders-now');
  expect([...server.keys()]).toEqual([]);
});

it.each<[string, EtcdBackup]>([
  ['is finished', backup({ status: { completionTime: '2026-11-23T07:00:20Z', conditions: [] } })],
  ['is about to go', backup({ metadata: { deletionTimestamp: '2026-11-23T07:00:20Z' } })],
])('a backup that %s is left alone', async (_, subject) => {
  const { look, server, said } = world([subject]);
  await look('orders-now');
  expect([server.size, said]).toEqual([0, []]);
});

it('a Job that our own earlier request has made after all is taken for what it is', async () => {
  const subject = backup();
  const { look, server, said } = world([subject]);
  server.set('orders-now-0f9e8d7c-1', owned(job(1, { created: '2026-11-23T07:00:29Z' }), subject));
  await look('orders-now');
  expect(said).toMatchObject([{ attempts: 1, conditions: [{ reason: 'Running' }, {}] }]);
});

it.each([
  ['of somebody else', []],
  [
    'that only names the backup as its owner',
    [{ apiVersion: 'v', kind: 'EtcdBackup', name: 'b', uid: backup().metadata.uid }],
  ],
])('a Job of its name %s is told, and not taken over', async (_, ownerReferences) => {
  const { look, server, said, deleted } = world([backup()]);
  const { metadata, ...rest } = job(1);
  server.set('orders-now-0f9e8d7c-1', { ...rest, metadata: { ...metadata, ownerReferences } } as Job);
  await expect(look('orders-now')).rejects.toMatchObject({ code: 'Invalid' });
  expect(said).toMatchObject([{ conditions: [{ reason: 'JobRefused' }, { type: 'Stalled' }] }]);
  expect([said[0]?.attempts, deleted]).toEqual([undefined, []]);
});

it('what was said is not said again', async () => {
  const subject = backup();
  const { look, cache, said } = world([subject]);
  cache.jobs = [owned(job(1), subject)];
  cache.pods = [pod({ phase: 'Running' })];
  await look('orders-now');
  subject.status = said[0] as NonNullable<EtcdBackup['status']>;
  await look('orders-now');
  expect(said).toHaveLength(1);
});

it('a Job that never came to be holds up nobody', async () => {
  const backups = [backup({ name: 'b' })];
  const { look, server } = world(backups);
  await look('b');
  server.clear();
  backups.splice(0, 1, backup({ name: 'a', metadata: { uid: UID } }));
  await look('a');
  await look('a');
  expect([...server.keys()]).toEqual(['a-0f9e8d7c-1']);
});

it('a member whose snapshot was corrupt is told by an Event of its own, though another one served', async () => {
  const subject = backup();
  const { look, cache, events } = world([subject]);
  cache.jobs = [owned(job(1), subject)];
  const message = encodeResult({ ...success, corrupt: ['orders-2'] });
  cache.pods = [pod({ phase: 'Succeeded', terminated: { exitCode: 0, message } })];
  await look('orders-now');
  expect(events).toEqual(['Completed', 'SnapshotCorrupt']);
});

it.each([
  ['the version that was judged', '7', undefined, 1],
  ['and told once, though the operator had died before it was deleted', '7', [1], 1],
  ['no other version', '8', undefined, 0],
])('a Job that never began is replaced, %s', async (_, version, replaced, times) => {
  const subject = backup({ status: { attempts: 1, replaced, conditions: [] } });
  const { look, cache, server, said, deleted } = world([subject]);
  const judged = owned(job(1, { template: 'old' }), subject);
  const { name, uid } = judged.metadata;
  cache.jobs = [judged];
  cache.pods = [pod({ created: '2026-11-23T07:00:00Z', waiting: { reason: 'ImagePullBackOff' } })];
  server.set(name, { ...judged, metadata: { ...judged.metadata, resourceVersion: version } });
  await look('orders-now');
  expect(deleted).toEqual(times === 0 ? [] : [{ name, uid, resourceVersion: '7' }]);
  expect(said.map((s) => s?.replaced)).toEqual(times === 0 || replaced !== undefined ? [] : [[1]]);
});

const forbidden = new KubeError('Forbidden', 'jobs.batch "orders-now-0f9e8d7c-1" is forbidden: kept');

it.each<[string, number[] | undefined, string[]]>([
  ['is told after it was announced', [1], ['JobRefused']],
  ['leaves what was announced to be seen first', undefined, ['Retrying']],
])('a Job whose deletion is refused %s', async (_, replaced, reasons) => {
  const subject = backup({ status: { attempts: 1, replaced, conditions: [] } });
  const { look, cache, server, said } = world([subject], undefined, { delete: forbidden });
  const judged = owned(job(1, { template: 'old' }), subject);
  cache.jobs = [judged];
  cache.pods = [pod({ created: '2026-11-23T07:00:00Z', waiting: { reason: 'ImagePullBackOff' } })];
  server.set(judged.metadata.name, judged);
  await expect(look('orders-now')).rejects.toBe(forbidden);
  expect(said.map((s) => s?.conditions[0]?.reason)).toEqual(reasons);
});

it.each<[string, number | undefined, string[]]>([
  ['at once is not told', undefined, []],
  ['for some seconds is not told', 14_000, []],
  ['for a quarter of a minute is', 15_001, ['ReconcileFailed']],
])('what fails %s', async (_, failingMs, reasons) => {
  const failure = new KubeError('Unavailable', 'etcdserver: request timed out');
  const subject = backup();
  const { look, cache, said } = world([subject], undefined, { list: failure });
  // A Job without a pod in the cache: the pods are listed.
  cache.jobs = [owned(job(1), subject)];
  await expect(look('orders-now', failingMs)).rejects.toBe(failure);
  expect(said.map((s) => s?.conditions[0]?.reason)).toEqual(reasons);
});
