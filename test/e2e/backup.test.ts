// SPDX-License-Identifier: Apache-2.0
// Backups of real clusters into a real object store: what a user sees when they work, when they fail, and when the operator dies in between.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import type { EtcdBackup } from '../../src/api/backup.ts';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdBackups, etcdClusters } from '../../src/api/resources.ts';
import { manifestSchema } from '../../src/backup/manifest.ts';
import { conditionsProblem } from '../../src/runtime/conditions.ts';
import { events, jobs, pods, secrets } from '../../src/runtime/resources.ts';
import { cluster, condition } from './harness/cluster.ts';
import { repository } from './harness/files.ts';
import { ration } from './harness/policy.ts';
import { resourceQuotas } from './harness/resources.ts';
import { useOperator } from './harness/suite.ts';
import { throughout, until } from './harness/until.ts';

const suite = useOperator({ namespaces: 1, proxy: true });
const space = () => suite.namespaces[0] ?? '';

interface S3Env {
  readonly S3_ENDPOINT: string;
  readonly S3_ENDPOINT_IN_CLUSTER: string;
  readonly S3_BUCKET: string;
  readonly S3_REGION: string;
  readonly AWS_ACCESS_KEY_ID: string;
  readonly AWS_SECRET_ACCESS_KEY: string;
}
let env: S3Env;
let s3: S3Client;

beforeAll(async () => {
  const text = await readFile(path.join(repository, '.testbed/s3.env'), 'utf8');
  env = Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, name, value] = /^(?:export )?([A-Z0-9_]+)=["']?(.*?)["']?$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value ?? '']];
    }),
  ) as unknown as S3Env;
  const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY };
  s3 = new S3Client({ region: env.S3_REGION, endpoint: env.S3_ENDPOINT, forcePathStyle: true, credentials });
  await credentialsSecret('s3', env.AWS_SECRET_ACCESS_KEY);
});

const credentialsSecret = (name: string, secretAccessKey: string) =>
  suite.kube.create(secrets, {
    metadata: { name, namespace: space() },
    stringData: { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey },
  });

type Policy = NonNullable<EtcdCluster['spec']['backup']>;

const policy = (
  o: { bucket?: string; secret?: string; endpoint?: string; schedules?: Policy['schedules'] } = {},
): Policy => ({
  store: {
    s3: {
      bucket: o.bucket ?? env.S3_BUCKET,
      endpoint: o.endpoint ?? env.S3_ENDPOINT_IN_CLUSTER,
      region: env.S3_REGION,
      prefix: `e2e/${suite.operator.release}`,
      credentialsSecret: { name: o.secret ?? 's3' },
    },
  },
  ...(o.schedules === undefined ? {} : { schedules: o.schedules }),
});

const backUp = (name: string, clusterName: string): Promise<EtcdBackup> =>
  suite.kube.create(etcdBackups, { metadata: { name, namespace: space() }, spec: { clusterName } });

const reasonOf = (b: EtcdBackup): string | undefined => b.status?.conditions?.find((c) => c.type === 'Ready')?.reason;

/** Waits for the reason, and checks that what every GitOps tool reads of the status makes sense. */
async function becomes(name: string, reason: string, within = 60_000): Promise<EtcdBackup> {
  const object = await until(`${name} is ${reason}`, {
    within,
    read: () => suite.kube.get(etcdBackups, { namespace: space(), name }),
    holds: (b) => reasonOf(b) === reason || `its reason is ${reasonOf(b)}`,
  });
  expect(conditionsProblem(object)).toBeUndefined();
  return object;
}

/** Keys in the store of one cluster. */
async function keysOf(object: EtcdCluster): Promise<string[]> {
  const { name, uid, namespace } = object.metadata;
  const Prefix = `e2e/${suite.operator.release}/${namespace}/${name}-${uid}/`;
  const answer = await s3.send(new ListObjectsV2Command({ Bucket: env.S3_BUCKET, Prefix }));
  return (answer.Contents ?? []).map((o) => o.Key ?? '');
}

const jobsOf = async (b: EtcdBackup) =>
  (await suite.kube.list(jobs, space())).filter((j) =>
    j.metadata.ownerReferences?.some((r) => r.uid === b.metadata.uid),
  );

describe('a backup', () => {
  test('ends with an object and its manifest in the store, and the cluster says so', async () => {
    const object = await suite.available(cluster(space(), 'orders', { replicas: 3, backup: policy() }));
    const recording = await suite.record(object);
    const created = await backUp('orders-now', 'orders');
    const done = await becomes('orders-now', 'Completed');
    expect(done.status).toMatchObject({ attempts: 1, clusterId: object.status?.clusterId, etcdVersion: '3.6.16' });
    const keys = await keysOf(object);
    expect(keys).toHaveLength(2);
    expect(keys).toContain(done.status?.key);
    const manifest = keys.find((k) => k.endsWith('.manifest.json'));
    const answer = await s3.send(new GetObjectCommand({ Bucket: env.S3_BUCKET, Key: manifest }));
    const content = manifestSchema.parse(JSON.parse((await answer.Body?.transformToString()) ?? ''));
    expect(content).toMatchObject({
      backup: { namespace: space(), name: 'orders-now', uid: created.metadata.uid },
      cluster: { name: 'orders', uid: object.metadata.uid },
      object: { key: done.status?.key, sha256: done.status?.sha256 },
    });
    const leader = (await suite.kube.get(etcdClusters, object.metadata)).status?.leader;
    expect(leader).toMatch(/^orders-\d$/);
    expect(done.status?.member).toMatch(/^orders-\d$/);
    expect(done.status?.member).not.toBe(leader);
    const healthy = await until('the cluster knows of its backup', {
      within: 20_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (c) => condition(c, 'BackupHealthy')?.status === 'True',
    });
    expect(healthy.status?.backup).toMatchObject({
      lastSuccessfulBackup: 'orders-now',
      lastSuccessTime: done.status?.completionTime,
    });
    await suite.settle(object, recording);
  });

  test('runs in a pod that may do nothing but its work', async () => {
    const done = await becomes('orders-now', 'Completed');
    const [job] = await jobsOf(done);
    const [pod] = await suite.kube.list(pods, space(), `batch.kubernetes.io/job-name=${job?.metadata.name}`);
    expect(pod?.spec).toMatchObject({ automountServiceAccountToken: false, serviceAccountName: 'default' });
    expect(pod?.spec?.volumes?.map((v) => v.name).toSorted()).toEqual(['job', 'store', 'tls']);
    expect(pod?.spec?.containers[0]?.securityContext).toMatchObject({
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
    });
    const log = await suite.kube.logs(space(), pod?.metadata.name ?? '');
    expect(log).toContain('the backup is complete');
    for (const text of [log, JSON.stringify(pod), JSON.stringify(job), JSON.stringify(done)]) {
      expect(text).not.toContain(env.AWS_SECRET_ACCESS_KEY);
    }
  });

  test('that is done is left alone: a restarted operator writes nothing, a deleted EtcdBackup leaves its object', async () => {
    const object = await suite.kube.get(etcdClusters, { namespace: space(), name: 'orders' });
    const before = await becomes('orders-now', 'Completed');
    await suite.operator.crash();
    const probe = await backUp('orders-later', 'orders');
    await becomes('orders-later', 'Completed');
    expect((await becomes('orders-now', 'Completed')).metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    await suite.kube.delete(etcdBackups, before.metadata);
    await until('its Job goes with it', {
      within: 30_000,
      read: () => jobsOf(before),
      holds: (left) => left.length === 0,
    });
    expect(await keysOf(object)).toHaveLength(4);
    expect(await jobsOf(probe)).toHaveLength(1);
    await suite.dismiss(object);
  });

  test('is made by the policy as it is, also when the operator has not seen the edit yet', async () => {
    const object = await suite.available(cluster(space(), 'edited', { backup: policy({ bucket: 'no-such-bucket' }) }));
    // Whoever makes backups knows the cluster as Available then, and its policy as it was.
    await backUp('edited-before', 'edited');
    await becomes('edited-before', 'BucketNotFound');
    // The one that is open, or the next: each ends within a minute, and may do so just now.
    const unseen = await suite.proxy.rule(
      { verb: 'watch', namespace: space(), resource: 'etcdclusters' },
      { kind: 'freeze', scope: 'both' },
      { times: 1 },
    );
    await unseen.struck(1, 10_000);
    await suite.kube.patch(etcdClusters, object.metadata, { spec: { backup: policy() } });
    await backUp('edited-now', 'edited');
    await becomes('edited-now', 'Completed');
    expect(await keysOf(object)).toHaveLength(2);
    await unseen.remove();
    await suite.dismiss(object);
  });
});

describe('a backup that cannot be made', () => {
  test('waits for its cluster, then for its credentials, and goes on by itself', async () => {
    await backUp('early', 'late');
    await becomes('early', 'ClusterNotFound');
    await suite.available(cluster(space(), 'late', { backup: policy({ secret: 'not-yet' }) }));
    const waiting = await becomes('early', 'CredentialsMissing');
    expect(waiting.status?.conditions?.[0]?.message).toContain('not-yet');
    await credentialsSecret('not-yet', env.AWS_SECRET_ACCESS_KEY);
    await becomes('early', 'Completed');
  });

  test.concurrent.each([
    ['bucketless', 'BucketNotFound', { bucket: 'no-such-bucket' }],
    ['wrong-secret', 'CredentialsRejected', { secret: 'wrong' }],
  ] as const)('%s fails for good with %s and a remedy, and is not tried again', async (name, reason, o) => {
    if ('secret' in o) await credentialsSecret(o.secret, 'wrong');
    const object = await suite.available(cluster(space(), name, { backup: policy(o) }));
    await backUp(`${name}-now`, name);
    const failed = await becomes(`${name}-now`, reason);
    expect(failed.status?.conditions?.map((c) => c.type)).toEqual(['Ready', 'Stalled']);
    expect(failed.status?.conditions?.[0]?.message).toMatch(/to do: .*new EtcdBackup/);
    expect(await jobsOf(failed)).toHaveLength(1);
    await throughout('nothing more is done', {
      within: 3_000,
      read: () => jobsOf(failed),
      holds: (made) => made.length === 1,
    });
    const seen = await until('the cluster says so, and is Ready all the same', {
      within: 20_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (c) => condition(c, 'BackupHealthy')?.reason === reason,
    });
    expect(condition(seen, 'Ready')?.status).toBe('True');
  });

  test('because its store is away says so and tries again, by the spec as it is then', async () => {
    const nowhere = policy({ endpoint: 'http://store.invalid:9000' });
    const object = await suite.available(cluster(space(), 'nowhere', { backup: nowhere }));
    await backUp('nowhere-now', 'nowhere');
    const waiting = await becomes('nowhere-now', 'Retrying');
    expect(waiting.status?.conditions?.[0]?.message).toMatch(/^StoreUnreachable: .*; attempt 2 of 3 follows$/);
    await suite.kube.patch(etcdClusters, object.metadata, { spec: { backup: policy() } });
    const done = await becomes('nowhere-now', 'Completed', 120_000);
    expect(done.status?.attempts).toBe(2);
    await suite.dismiss(object);
  }, 240_000);

  test('whose Job finds no node is made by another one when the spec is corrected', async () => {
    const object = await suite.available(cluster(space(), 'placed', { backup: policy() }));
    const place = (nodeSelector: object | null) =>
      suite.kube.patch(etcdClusters, object.metadata, { spec: { pods: { nodeSelector } } });
    await place({ 'example.com/disk': 'none' });
    const created = await backUp('placed-now', 'placed');
    await becomes('placed-now', 'Unschedulable');
    await place(null);
    const done = await becomes('placed-now', 'Completed', 90_000);
    expect(done.status).toMatchObject({ attempts: 2, replaced: [1] });
    expect((await jobsOf(created)).map((j) => j.metadata.name)).toEqual([done.status?.job]);
    await suite.dismiss(object);
  });

  test('whose Job is lost is made by another one, once', async () => {
    const object = await suite.available(cluster(space(), 'lost', { backup: policy() }));
    const quota = { name: 'no-more-pods', namespace: space() };
    await ration(suite.kube, quota, { pods: '0' });
    const created = await backUp('lost-now', 'lost');
    await becomes('lost-now', 'Running');
    const refused = await becomes('lost-now', 'PodsRefused');
    expect(refused.status?.conditions?.[0]?.message).toMatch(/exceeded quota.*change the policy or the quota/);
    const [first] = await jobsOf(created);
    await suite.kube.delete(jobs, first?.metadata ?? { name: '' }, { propagationPolicy: 'Background' });
    await until('there is a second Job', {
      within: 30_000,
      read: () => jobsOf(created),
      holds: (made) => made.some((j) => j.metadata.name.endsWith('-2')),
    });
    await suite.kube.delete(resourceQuotas, quota);
    const done = await becomes('lost-now', 'Completed', 120_000);
    expect(done.status?.attempts).toBe(2);
    expect(await keysOf(object)).toHaveLength(2);
    await suite.dismiss(object);
  });
});

describe('an operator that dies', () => {
  const job = { verb: 'create', resource: 'jobs' } as const;
  const status = { verb: 'patch', resource: 'etcdbackups', subresource: 'status' } as const;
  test.each(['request', 'reply'] as const)(
    'between the writes of backups (held at the %s) makes each of them once',
    async (at) => {
      const points = [
        { name: `${at}-a`, match: job, skip: 0 },
        { name: `${at}-b`, match: status, skip: 0 },
        { name: `${at}-c`, match: status, skip: 1 },
      ];
      const objects = await Promise.all(
        points.map(({ name }) => suite.available(cluster(space(), name, { backup: policy() }))),
      );
      const rules = await Promise.all(
        points.map(({ name, match, skip }) =>
          suite.proxy.rule(
            { ...match, namespace: space(), name: `${name}-now*` },
            { kind: 'hold', at },
            { skip, times: 1 },
          ),
        ),
      );
      const backups = await Promise.all(points.map(({ name }) => backUp(`${name}-now`, name)));
      await Promise.all(rules.map((rule) => rule.held(60_000)));
      await suite.operator.crash();
      await Promise.all(rules.map((rule) => rule.remove()));
      for (const [i, { name }] of points.entries()) {
        const done = await becomes(`${name}-now`, 'Completed', 90_000);
        expect(done.status?.attempts).toBe(1);
        expect(await jobsOf(backups[i] as EtcdBackup)).toHaveLength(1);
        expect(await keysOf(objects[i] as EtcdCluster)).toHaveLength(2);
        await suite.dismiss(objects[i] as EtcdCluster);
      }
    },
  );
});

describe('a schedule', () => {
  test('makes a backup at its time, tells the next one, and stops when it is suspended', async () => {
    const schedules = [{ name: 'minutely', schedule: '* * * * *' }];
    const object = await suite.available(cluster(space(), 'timed', { backup: policy({ schedules }) }));
    const promised = await until('the next time is told', {
      within: 20_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (c) => c.status?.backup?.schedules?.[0]?.nextScheduleTime !== undefined,
    });
    const next = new Date(promised.status?.backup?.schedules?.[0]?.nextScheduleTime ?? '');
    const name = `timed-minutely-${next.toISOString().slice(0, 16).replace(/[-T:]/g, '')}`;
    const done = await becomes(name, 'Completed', 120_000);
    expect(done.spec.schedule).toBe('minutely');
    expect(done.metadata.ownerReferences).toBeUndefined();
    const lateMs = Date.parse(done.metadata.creationTimestamp ?? '') - next.getTime();
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThan(5_000);
    const suspended = { spec: { backup: { schedules: [{ ...schedules[0], suspend: true }] } } };
    await suite.kube.patch(etcdClusters, object.metadata, suspended);
    await until('no next time is told', {
      within: 20_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: ({ status }) => {
        const [only] = status?.backup?.schedules ?? [];
        return only?.lastScheduleTime !== undefined && only.nextScheduleTime === undefined;
      },
    });
  }, 240_000);

  test('whose run the API server refuses says so, and makes it as soon as it may', async () => {
    const quota = { name: 'no-more-backups', namespace: space() };
    await ration(suite.kube, quota, { 'count/etcdbackups.etcd.quorate.dev': '0' });
    const schedules = [{ name: 'minutely', schedule: '* * * * *' }];
    const object = await suite.available(cluster(space(), 'refused', { backup: policy({ schedules }) }));
    await until('an Event of the cluster says so', {
      within: 90_000,
      read: () => suite.kube.list(events, space()),
      holds: (found) => found.some((e) => e.regarding?.name === 'refused' && e.reason === 'BackupRefused'),
    });
    await suite.kube.delete(resourceQuotas, quota);
    await until('a backup is made', {
      within: 90_000,
      read: () => suite.kube.list(etcdBackups, space()),
      holds: (made) => made.some((b) => b.spec.clusterName === 'refused'),
    });
    await suite.kube.patch(etcdClusters, object.metadata, {
      spec: { backup: { schedules: [{ ...schedules[0], suspend: true }] } },
    });
  }, 240_000);

  test('keeps the newest ten of its completed EtcdBackups, and everything in the store', async () => {
    const object = await suite.kube.get(etcdClusters, { namespace: space(), name: 'timed' });
    const stored = await keysOf(object);
    expect(stored).not.toEqual([]);
    // They are only there to be old: nobody makes one that is seen before it is said to be done.
    const archived = { namespace: space(), resource: 'jobs', name: 'timed-archived-*' };
    const unmade = await suite.proxy.rule({ ...archived, verb: 'create' }, { kind: 'status', code: 503 });
    const days = Array.from({ length: 12 }, (_, i) => `2026-01-${String(i + 1).padStart(2, '0')}T00:00:00Z`);
    for (const day of days) {
      const name = `timed-archived-${day.slice(0, 10)}`;
      const annotations = { 'etcd.quorate.dev/scheduled-at': day };
      const made = await suite.kube.create(etcdBackups, {
        metadata: { name, namespace: space(), annotations },
        spec: { clusterName: 'timed', schedule: 'archived' },
      });
      const ready = {
        type: 'Ready',
        status: 'True',
        reason: 'Completed',
        message: 'm',
        lastTransitionTime: day,
        observedGeneration: 1,
      };
      await suite.kube.patch(
        etcdBackups,
        made.metadata,
        { status: { observedGeneration: 1, conditions: [ready], completionTime: day } },
        'status',
      );
    }
    const left = await until('ten of them are left', {
      within: 60_000,
      read: async () => (await suite.kube.list(etcdBackups, space())).filter((b) => b.spec.schedule === 'archived'),
      holds: (found) => found.length === 10 || `${found.length} are left`,
    });
    const newest = days.slice(2).map((day) => `timed-archived-${day.slice(0, 10)}`);
    expect(left.map(({ metadata }) => metadata.name).toSorted()).toEqual(newest);
    expect(await keysOf(object)).toEqual(stored);
    await unmade.remove();
  });
});
