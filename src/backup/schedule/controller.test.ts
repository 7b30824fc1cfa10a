// SPDX-License-Identifier: Apache-2.0
// Tests of what becomes of a run that is due: made, or left out with an Event and the cluster told.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { EtcdBackup } from '../../api/backup.ts';
import type { EtcdCluster } from '../../api/cluster.ts';
import { KubeError } from '../../runtime/errors.ts';
import { clusterBackupStatus } from '../clusterstatus.ts';
import { cluster, scheduled } from '../fixtures.ts';
import { ScheduleController, type ScheduleControllerDeps } from './controller.ts';
import { KEEP_COMPLETED } from './history.ts';
import { ScheduleMemory } from './memory.ts';

beforeEach(() => void vi.useFakeTimers({ now: new Date('2026-11-23T07:00:01Z') }));
afterEach(() => void vi.useRealTimers());

/** What a look finds out beside the cache: how a create is refused and for how long that goes on, and which names are taken. */
interface Surprise {
  refusal?: Error;
  failingMs?: number;
  taken?: readonly EtcdBackup[];
}

/** One look at a cluster whose hourly run was promised for `promised`. */
async function look(promised: string, backups: readonly EtcdBackup[], surprise: Surprise = {}) {
  const { refusal, failingMs, taken = [] } = surprise;
  const store = { s3: { bucket: 'backups', credentialsSecret: { name: 's3' } } };
  const subject = cluster({
    backup: { store, schedules: [{ name: 'hourly', schedule: '0 5,7 * * *' }] },
    status: { backup: { schedules: [{ name: 'hourly', nextScheduleTime: promised }] } },
  });
  const memory = new ScheduleMemory();
  const inCluster = () => clusterBackupStatus(subject, backups, memory, new Date());
  // The controller of the cluster may look first: what it writes then must keep nothing from this one.
  const before = inCluster()?.status;
  subject.status = { ...subject.status, backup: before } as NonNullable<EtcdCluster['status']>;
  const [made, cleared, reasons, told]: [string[], string[], string[], object[]] = [[], [], [], []];
  let reconcile: ((key: object, ctx: object) => Promise<unknown>) | undefined;
  const watched = (objects: readonly unknown[]) => ({ get: () => objects[0], list: () => objects });
  void new ScheduleController({
    manager: {
      controller: (o: { reconcile: typeof reconcile }) => {
        reconcile = o.reconcile;
      },
    },
    client: {
      create: (_: unknown, backup: EtcdBackup) => {
        if (refusal !== undefined) return Promise.reject(refusal);
        if (taken.some(({ metadata }) => metadata.name === backup.metadata.name))
          return Promise.reject(new KubeError('AlreadyExists', 'the name is taken'));
        made.push(backup.metadata.name);
        return Promise.resolve(backup);
      },
      get: (_: unknown, { name }: { name: string }) =>
        Promise.resolve(taken.find(({ metadata }) => metadata.name === name)),
      delete: (_: unknown, { metadata }: EtcdBackup) => Promise.resolve(void cleared.push(metadata.name)),
    },
    events: { emit: (_: unknown, event: { reason: string }) => reasons.push(event.reason) },
    backups: watched(backups),
    clusters: watched([subject]),
    memory,
    clusterChanged: (key: object) => told.push(key),
  } as unknown as ScheduleControllerDeps);
  const failingSince = failingMs === undefined ? undefined : performance.now() - failingMs;
  const ctx = { log: { info: () => undefined }, failingSince };
  let again: unknown;
  const failed = await reconcile?.({ namespace: 'shop', name: 'orders' }, ctx).then(
    (outcome) => {
      again = outcome;
    },
    (e: unknown) => e,
  );
  if (taken.length === 0) expect(failed).toBe(refusal);
  const handled = memory.get(subject.metadata.uid as string, 'hourly') !== undefined;
  const after = inCluster();
  const next = after?.status.schedules?.[0]?.nextScheduleTime;
  return { made, cleared, reasons, told: told.length, health: after?.healthy, next, again, handled, failed };
}

const unfinished = (): EtcdBackup => {
  const run = scheduled('orders-hourly-1', '2026-11-23T05:00:00Z', 'False');
  delete run.status?.completionTime;
  return run;
};

it('a run that is due is made', async () => {
  const seen = await look('2026-11-23T07:00:00Z', [scheduled('a', '2026-11-23T05:00:00Z', 'True')]);
  expect(seen).toMatchObject({ made: ['orders-hourly-202611230700'], reasons: [], health: { status: 'True' } });
});
it('a run is left out while the one before is not finished', async () => {
  expect(await look('2026-11-23T07:00:00Z', [unfinished()])).toMatchObject({
    made: [],
    reasons: ['BackupSkipped'],
    told: 1,
    health: { status: 'False', reason: 'BackupOverdue' },
  });
});
it('a run that comes an hour late is given up', async () => {
  vi.setSystemTime(new Date('2026-11-23T06:30:00Z'));
  expect(await look('2026-11-23T05:00:00Z', [])).toMatchObject({
    made: [],
    reasons: ['BackupMissed'],
    told: 1,
    health: { status: 'False', reason: 'BackupOverdue' },
    next: '2026-11-23T07:00:00Z',
    again: { requeueAfterMs: 300_000 },
  });
});

const quota = new KubeError('Forbidden', 'exceeded quota: few');
const away = new KubeError('Unavailable', 'failed calling webhook');

it.each([
  ['that is refused is told at once', { refusal: quota }, ['BackupRefused']],
  ['that fails for what may pass is not told at once', { refusal: away, failingMs: 10_000 }, []],
  ['that goes on failing is told', { refusal: away, failingMs: 16_000 }, ['BackupRefused']],
])('a run %s', async (_, { refusal, failingMs }: { refusal: Error; failingMs?: number }, reasons) => {
  expect(await look('2026-11-23T07:00:00Z', [], { refusal, failingMs })).toMatchObject({ made: [], reasons });
});
it('a run that is refused for minutes makes the cluster overdue', async () => {
  const seen = await look('2026-11-23T05:00:00Z', [], { refusal: quota });
  expect(seen.health).toMatchObject({ status: 'False', reason: 'BackupOverdue' });
});
it('a run that is refused keeps nothing from being cleared away: that may be what makes room for it', async () => {
  const seen = await look('2026-11-23T07:00:00Z', history(cluster().metadata.uid), { refusal: quota });
  expect(seen).toMatchObject({ made: [], cleared: ['run-0'] });
});

const history = (clusterUID: string | undefined): EtcdBackup[] =>
  Array.from({ length: KEEP_COMPLETED + 1 }, (_, i) => {
    const run = scheduled(`run-${i}`, `2026-11-22T${String(i).padStart(2, '0')}:00:00Z`, 'True');
    return { ...run, status: { ...run.status, clusterUID } as NonNullable<EtcdBackup['status']> };
  });

it.each([
  ['of this cluster is cleared away', cluster().metadata.uid, ['run-0']],
  ['of an earlier cluster of the same name stays, and with it where its backups are', 'another', []],
])('the oldest run %s', async (_, uid, cleared) => {
  expect(await look('2026-11-23T08:00:00Z', history(uid))).toMatchObject({ cleared });
});

const first = 'orders-hourly-202611230700';
const second = `${first}-${(cluster().metadata.uid as string).slice(0, 8)}`;
const ours = (name: string) => scheduled(name, '2026-11-23T07:00:00Z', 'False');
const others = (name: string): EtcdBackup => ({ ...ours(name), spec: { ...ours(name).spec, clusterName: 'or' } });

it.each([
  ['that was made by a predecessor is not made again', [ours(first)], { made: [], handled: true }],
  ['whose name another cluster has gets its own', [others(first)], { made: [second], handled: true }],
  ['that got its own name is not made again', [others(first), ours(second)], { made: [], handled: true }],
  [
    'whose names are both taken is tried again',
    [others(first), others(second)],
    { made: [], handled: false, failed: expect.objectContaining({ message: expect.stringContaining('are taken') }) },
  ],
])('a run %s', async (_, taken: EtcdBackup[], want: object) => {
  expect(await look('2026-11-23T07:00:00Z', [], { taken })).toMatchObject(want);
});
