// SPDX-License-Identifier: Apache-2.0
// Tests of which other backups of a cluster are seen, and which Jobs and pods are a backup's own.
import { expect, it } from 'vitest';
import type { EtcdBackup } from '../api/backup.ts';
import type { Job, Pod, Secret } from '../runtime/resources.ts';
import { backup, cluster, job, observed, pod } from './fixtures.ts';
import { type ObserveDeps, observe, readPods, readPolicy } from './observe.ts';

const other = backup({ name: 'other', metadata: { uid: 'other' } });
const failing = job(1, { end: 'FailureTarget', reason: 'BackoffLimitExceeded', created: new Date().toISOString() });

const owned = (j: Job): Job => {
  const owner = { apiVersion: 'v', kind: 'EtcdBackup', name: 'other', uid: 'other', controller: true };
  return { ...j, metadata: { ...j.metadata, ownerReferences: [owner] } };
};

it.each([
  ['runs while its Job does', owned({ ...failing, status: {} }), [pod({ phase: 'Running' })], true],
  ['runs while the pod of its failing Job does', owned(failing), [pod({ phase: 'Running' })], true],
  [
    'runs no more when a node that does not answer keeps the pod of its failing Job',
    owned(failing),
    [pod({ phase: 'Running', deleted: new Date(Date.now() - 120_000).toISOString() })],
    false,
  ],
  ['runs no more when its Job is over', owned(job(1, { end: 'Complete' })), [], false],
] satisfies [string, Job, Pod[], boolean][])('another backup %s', async (_, itsJob, pods, running) => {
  const stores = {
    backups: { list: () => [backup(), other] },
    clusters: { get: () => cluster() },
    jobs: { list: () => [itsJob] },
    pods: { list: () => pods },
  };
  const deps = { stores } as unknown as ObserveDeps;
  const { siblings } = await observe(deps, backup(), new AbortController().signal);
  expect(siblings).toMatchObject([{ name: 'other', running }]);
});

const itself = backup({ status: { attempts: 1, conditions: [] } });
const controlled = (j: Job, over: object = {}): Job => {
  const { name, uid } = itself.metadata;
  const owner = { apiVersion: 'v', kind: 'EtcdBackup', name, uid: uid as string, controller: true, ...over };
  return { ...j, metadata: { ...j.metadata, ownerReferences: [owner] } };
};

/** What is seen of a backup of one attempt where these Jobs are in the cache, and this one lives. */
async function seen(o: { jobs?: Job[]; live?: Job; pods?: Pod[]; backups?: EtcdBackup[]; subject?: EtcdBackup }) {
  const asked: string[] = [];
  const deps = {
    stores: {
      backups: { list: () => o.backups ?? [] },
      clusters: { get: () => cluster() },
      jobs: { list: () => o.jobs ?? [] },
      pods: { list: () => o.pods ?? [] },
    },
    client: {
      find: (_: unknown, { name }: { name: string }) => {
        asked.push(name);
        return Promise.resolve(o.live);
      },
    },
  } as unknown as ObserveDeps;
  const { jobs, pods, siblings } = await observe(deps, o.subject ?? itself, new AbortController().signal);
  return { jobs: jobs.map((j) => j.metadata.name), pods: pods.length, siblings: siblings.map((b) => b.name), asked };
}

const [one, two] = ['orders-now-0f9e8d7c-1', 'orders-now-0f9e8d7c-2'];

it.each<[string, Parameters<typeof seen>[0], Partial<Awaited<ReturnType<typeof seen>>>]>([
  ['in the cache is not asked for', { jobs: [controlled(job(1))] }, { jobs: [one], asked: [] }],
  ['that is not in the cache yet is asked for', { live: controlled(job(1)) }, { jobs: [one], asked: [one] }],
  ['that is gone is none', {}, { jobs: [], asked: [one] }],
  ['of somebody else is none', { jobs: [controlled(job(1), { uid: 'x' })] }, { jobs: [], asked: [one] }],
  ['that only names it as an owner is none', { jobs: [controlled(job(1), { controller: false })] }, { jobs: [] }],
  ['of somebody else is none where it is asked for', { live: controlled(job(1), { uid: 'x' }) }, { jobs: [] }],
  ['comes after those before it', { jobs: [controlled(job(2)), controlled(job(1))] }, { jobs: [one, two] }],
  ['that was never recorded is not asked for', { subject: backup() }, { jobs: [], asked: [] }],
  ['has its own pods', { jobs: [controlled(job(1))], pods: [pod()] }, { pods: 1 }],
  [
    'has no pods of others',
    { jobs: [controlled({ ...job(1), metadata: { ...job(1).metadata, uid: 'x' } })], pods: [pod()] },
    { pods: 0 },
  ],
])('a Job %s', async (_, given, expected) => {
  expect(await seen(given)).toMatchObject(expected);
});

it.each<[string, EtcdBackup, string[]]>([
  ['one that waits or works is seen', other, ['other']],
  ['one of another cluster is not', { ...other, spec: { clusterName: 'others' } }, []],
  [
    'one that is finished is not',
    backup({ name: 'other', metadata: { uid: 'other' }, status: { completionTime: 'x', conditions: [] } }),
    [],
  ],
  [
    'one that was begun for an earlier cluster of the name is not',
    backup({ name: 'other', metadata: { uid: 'other' }, status: { clusterUID: 'another', conditions: [] } }),
    [],
  ],
  ['one that is about to go is not', backup({ name: 'other', metadata: { uid: 'other', deletionTimestamp: 'x' } }), []],
  ['it does not see itself', itself, []],
])('beside a backup, %s', async (_, there, siblings) => {
  expect(await seen({ backups: [there] })).toMatchObject({ siblings });
});

const keys = (...names: string[]): Secret => ({
  metadata: { name: 's' },
  data: Object.fromEntries(names.map((name) => [name, 'eA=='])),
});
const policy = { store: { s3: { bucket: 'backups', credentialsSecret: { name: 's3' }, caSecret: { name: 'ca' } } } };
const all: Record<string, Secret> = {
  s3: keys('accessKeyId', 'secretAccessKey'),
  ca: keys('ca.crt'),
  'orders-tls-backup': keys('ca.crt', 'tls.crt', 'tls.key'),
};
const fine = { credentials: undefined, tls: true };
const lacking = (reason: string, text: string) => ({ reason, message: expect.stringContaining(text) as string });

it.each<[string, Record<string, Secret | undefined>, object]>([
  ['that are all there', {}, fine],
  ['of which the credentials are missing', { s3: undefined }, { credentials: lacking('CredentialsMissing', 's3') }],
  [
    'whose credentials lack a key',
    { s3: keys('accessKeyId') },
    { credentials: lacking('CredentialsInvalid', 'no secretAccessKey') },
  ],
  [
    'whose credentials have an empty key',
    { s3: { ...keys('secretAccessKey'), data: { accessKeyId: '', secretAccessKey: 'x' } } },
    { credentials: lacking('CredentialsInvalid', 'no accessKeyId') },
  ],
  ['of which the authority is missing', { ca: undefined }, { credentials: lacking('CredentialsMissing', 'ca') }],
  ['whose authority is empty', { ca: keys() }, { credentials: lacking('CredentialsInvalid', 'no ca.crt') }],
  ['of which our own is missing', { 'orders-tls-backup': undefined }, { ...fine, tls: false }],
  ['of which our own is not whole', { 'orders-tls-backup': keys('ca.crt', 'tls.crt') }, { ...fine, tls: false }],
])('Secrets %s are found so before a Job is made', async (_, over, found) => {
  const there = { ...all, ...over };
  const client = {
    find: ({ kind }: { kind: string }, { name }: { name: string }) =>
      Promise.resolve(kind === 'Secret' ? there[name] : cluster({ backup: policy })),
  };
  const { secrets, clusterIsLive } = await readPolicy(
    { client } as unknown as ObserveDeps,
    observed({ secrets: undefined }),
    new AbortController().signal,
  );
  expect(secrets).toMatchObject(found);
  expect(clusterIsLive).toBe(true);
});

it.each<[string, Pod[], object[], { pods: number; refused: string | undefined }]>([
  ['its own pods', [pod()], [], { pods: 1, refused: undefined }],
  [
    'none of another Job, and who refuses its own',
    [{ metadata: { name: 'p', ownerReferences: [] } }],
    [
      { regarding: { uid: job(1).metadata.uid }, note: 'older' },
      { regarding: { uid: job(1).metadata.uid }, note: 'exceeded quota' },
      { regarding: { uid: 'x' }, note: 'of another' },
    ],
    { pods: 0, refused: 'exceeded quota' },
  ],
])('a Job is seen live with %s', async (_, pods, events, found) => {
  const client = { list: ({ kind }: { kind: string }) => Promise.resolve(kind === 'Pod' ? pods : events) };
  const given = observed({ jobs: [job(1)] });
  const now = await readPods({ client } as unknown as ObserveDeps, given, new AbortController().signal);
  expect({ pods: now.pods.length, refused: now.refused }).toEqual(found);
  expect(now.podsAreLive).toBe(true);
});

it('without a Job there are no pods to ask for', async () => {
  const now = await readPods({} as ObserveDeps, observed({ secrets: undefined }), new AbortController().signal);
  expect([now.pods, now.podsAreLive]).toEqual([[], true]);
});
