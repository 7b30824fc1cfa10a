// SPDX-License-Identifier: Apache-2.0
// The custom resources before the real API server: what is taken, what is refused, and in which words.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { effectiveSpec } from '../../src/api/effective.ts';
import { backup, everything, least } from './api/samples.ts';
import { definitionOf, Served } from './api/served.ts';

let served: Served;
beforeAll(async () => {
  served = await Served.start();
});
afterAll(() => served.stop());

const CLUSTERS = 'etcdclusters';
const effective = (spec: object, name = 'orders') =>
  effectiveSpec({ metadata: { name, namespace: 'shop' }, spec } as EtcdCluster);
const s3 = { bucket: 'shop', credentialsSecret: { name: 'key' } };
const etcd = (e: object) => ({ ...least, etcd: e });
const pods = (p: object) => ({ ...least, pods: p });
const store = (s: object) => ({ ...least, backup: { store: { s3: { ...s3, ...s } } } });
const schedules = (...list: object[]) => ({ ...least, backup: { store: { s3 }, schedules: list } });
const clients = (...list: object[]) => ({ ...least, tls: { clientCertificates: list } });

describe('a spec is taken', () => {
  test.each<[string, object]>([
    ['the least there is', least],
    ['every field', everything],
    ['one member', { ...least, replicas: 1 }],
    ['nine members', { ...least, replicas: 9 }],
    ['the oldest version of 3.5 that is safe', { ...least, version: '3.5.26' }],
    ['the oldest version of 3.6 that is safe', { ...least, version: '3.6.5' }],
    ['3.7', { ...least, version: '3.7.0' }],
    ['a newer patch than was tested', { ...least, version: '3.6.99' }],
    ['the smallest volume', { ...least, storage: { size: '256Mi' } }],
    ['a size in decimal units', { ...least, storage: { size: '10.5G' } }],
    ['a quota that just fits', { ...least, storage: { size: '4288Mi' }, etcd: { quota: '2Gi' } }],
    ['an election at five heartbeats', etcd({ heartbeatInterval: '200ms', electionTimeout: '1s' })],
    ['the longest election', etcd({ heartbeatInterval: '10s', electionTimeout: '50s' })],
    ['revisions to keep', etcd({ autoCompaction: { mode: 'Revision', retention: '10000' } })],
    ['no compaction', etcd({ autoCompaction: { retention: '0' } })],
    ['cores as a number', pods({ resources: { requests: { cpu: 2 }, limits: { cpu: '2000m' } } })],
    ['no requests', pods({ resources: {} })],
    ['a toleration of everything', pods({ tolerations: [{ operator: 'Exists' }] })],
    ['clients everywhere', { ...least, networkPolicy: { clients: [{ namespaceSelector: {} }] } }],
    [
      'clients outside',
      {
        ...least,
        networkPolicy: {
          clients: [
            { ipBlock: { cidr: '2001:db8::/32' } },
            { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
          ],
        },
      },
    ],
    ['no clients', { ...least, networkPolicy: { clients: [] } }],
    ['a store on plain http', store({ endpoint: 'http://s3.testbed.svc:7070' })],
    ['a store by address', store({ endpoint: 'https://[fd00::1]:9000' })],
    ['a store without a schedule', store({})],
    [
      'schedules in another time zone',
      schedules({ name: 'n', schedule: '*/5 0-6 * JAN-MAR MON', timeZone: 'America/Argentina/Ushuaia' }),
    ],
    ['a client with a name as users have them', clients({ name: 'a', commonName: 'ops@example.com' }, { name: 'b' })],
    [
      'a client whose Secret alone is named like the operator',
      clients({ name: 'quorate-operator', commonName: 'ops' }),
    ],
  ])('%s', async (_, spec) => {
    const answer = await served.judge(CLUSTERS, 'orders', spec);
    expect(answer.message).toBe('');
    const stored = answer.object?.spec ?? {};
    // Both ways to the defaults lead to the same place.
    expect(effective(stored)).toEqual(effective(spec));
    expect(effective(spec).ok).toBe(true);
  });
});

describe('a spec is refused by the name of the field, with the range', () => {
  test.each<[string, object, ...(string | RegExp)[]]>([
    ['no members', { ...least, replicas: 0 }, 'spec.replicas', '"1", "3", "5", "7", "9"'],
    ['a negative number of members', { ...least, replicas: -1 }, 'spec.replicas', '"1", "3", "5", "7", "9"'],
    ['an even number of members', { ...least, replicas: 2 }, 'spec.replicas', '"1", "3", "5", "7", "9"'],
    ['ten members', { ...least, replicas: 10 }, 'spec.replicas', '"1", "3", "5", "7", "9"'],
    ['a billion members', { ...least, replicas: 1e9 }, 'spec.replicas', '"1", "3", "5", "7", "9"'],
    ['no version', { storage: least.storage }, 'spec.version', 'Required value'],
    ['a version with a v', { ...least, version: 'v3.6.16' }, 'spec.version', 'without a leading v, such as 3.6.16'],
    ['a version without a patch', { ...least, version: '3.6' }, 'spec.version', 'must be X.Y.Z'],
    ['a tag of another image', { ...least, version: '3.6.16-arm64' }, 'spec.version', 'must be X.Y.Z'],
    ['3.4', { ...least, version: '3.4.45' }, 'spec.version', 'of etcd 3.5, 3.6 or 3.7'],
    ['a version that loses data', { ...least, version: '3.5.2' }, 'spec.version', 'use 3.5.26 or later, best 3.5.33'],
    ['a version that corrupts data', { ...least, version: '3.6.4' }, 'spec.version', 'use 3.6.5 or later, best 3.6.16'],
    ['no storage', { version: '3.6.16' }, 'spec.storage', 'Required value'],
    ['no size', { version: '3.6.16', storage: {} }, 'spec.storage.size', 'Required value'],
    ['too little storage', { ...least, storage: { size: '255Mi' } }, 'spec.storage.size', 'between 256Mi and 64Ti'],
    ['endless storage', { ...least, storage: { size: '1Pi' } }, 'spec.storage.size', 'between 256Mi and 64Ti'],
    ['a size that is none', { ...least, storage: { size: '10 GB' } }, 'spec.storage.size', 'such as 512Mi, 10Gi'],
    ['a negative size', { ...least, storage: { size: '-10Gi' } }, 'spec.storage.size', 'such as 512Mi, 10Gi'],
    [
      'a shared volume',
      { ...least, storage: { size: '1Gi', accessMode: 'ReadWriteMany' } },
      'spec.storage.accessMode',
      '"ReadWriteOnce", "ReadWriteOncePod"',
    ],
    [
      'a quota beyond the volume',
      etcd({ quota: '6Gi' }),
      'spec.etcd.quota 6Gi',
      'spec.storage.size 10Gi',
      'lower the quota or enlarge the storage',
    ],
    ['a tiny quota', etcd({ quota: '1Mi' }), 'spec.etcd', 'quota must be between 16Mi and 100Gi'],
    ['huge requests', etcd({ maxRequestBytes: '1Gi' }), 'spec.etcd.maxRequestBytes', 'between 16Ki and 10Mi'],
    [
      'an election within five heartbeats',
      etcd({ heartbeatInterval: '300ms' }),
      'spec.etcd.electionTimeout',
      'at least five times heartbeatInterval, which is 300ms',
    ],
    ['an election of a minute', etcd({ electionTimeout: '1m' }), 'spec.etcd.electionTimeout', 'at most 50s'],
    ['no heartbeat', etcd({ heartbeatInterval: '0s' }), 'spec.etcd.heartbeatInterval', 'between 1ms and 10s'],
    [
      'a duration without a unit',
      etcd({ electionTimeout: '1000' }),
      'spec.etcd.electionTimeout',
      'such as 100ms, 1.5s, 5m',
    ],
    [
      'a duration of half milliseconds',
      etcd({ heartbeatInterval: '1.5ms' }),
      'spec.etcd.heartbeatInterval',
      'whole milliseconds',
    ],
    [
      'an age in place of revisions',
      etcd({ autoCompaction: { mode: 'Revision' } }),
      'spec.etcd.autoCompaction.retention',
      'a number of revisions such as 1000 with mode Revision',
    ],
    [
      'revisions in place of an age',
      etcd({ autoCompaction: { retention: '5' } }),
      'spec.etcd.autoCompaction.retention',
      'a duration such as 5m with mode Periodic',
    ],
    ['too few transactions', etcd({ snapshotCount: 10 }), 'spec.etcd.snapshotCount', '1000'],
    ['free flags', etcd({ extraArgs: ['--force-new-cluster'] }), 'unknown field "spec.etcd.extraArgs"'],
    ['another data directory', etcd({ dataDir: '/tmp' }), 'unknown field "spec.etcd.dataDir"'],
    [
      'an image with a tag',
      { ...least, image: { repository: 'example.com/etcd:latest' } },
      'spec.image.repository',
      'without tag or digest',
    ],
    [
      'a digest that is none',
      { ...least, image: { digest: 'sha256:abc' } },
      'spec.image.digest',
      '64 hexadecimal digits',
    ],
    [
      'more requested than allowed',
      pods({ resources: { requests: { memory: '1Gi' }, limits: { memory: '1G' } } }),
      'spec.pods.resources',
      'requests.memory must not be more than limits.memory',
    ],
    [
      'an amount that is none',
      pods({ resources: { requests: { cpu: 'many' } } }),
      'spec.pods.resources.requests.cpu',
      'such as 2, 500m',
    ],
    [
      'less than no memory',
      pods({ resources: { limits: { memory: -1 } } }),
      'spec.pods.resources.limits.memory',
      'such as 2, 500m, 512Mi',
    ],
    [
      'a label of ours',
      pods({ labels: { 'etcd.quorate.dev/cluster': 'other' } }),
      'spec.pods.labels',
      'must not hold keys that the operator',
    ],
    [
      'a label of the StatefulSet',
      pods({ labels: { 'statefulset.kubernetes.io/pod-name': 'x' } }),
      'spec.pods.labels',
      'must not hold keys that the operator',
    ],
    [
      'a label that is none',
      pods({ labels: { 'a b': 'c' } }),
      'spec.pods.labels',
      'must have keys such as example.com/name',
    ],
    [
      'a toleration of nothing',
      pods({ tolerations: [{ effect: 'NoSchedule' }] }),
      'spec.pods.tolerations[0]',
      'needs operator Exists',
    ],
    [
      'seconds of a toleration that nothing ends',
      pods({ tolerations: [{ operator: 'Exists', tolerationSeconds: 60 }] }),
      'spec.pods.tolerations[0]',
      'tolerationSeconds needs effect NoExecute',
    ],
    [
      'an unknown affinity',
      pods({ affinity: { zoneAffinity: {} } }),
      'unknown field "spec.pods.affinity.zoneAffinity"',
    ],
    ['a container of their own', pods({ containers: [] }), 'unknown field "spec.pods.containers"'],
    ['the network of the node', pods({ hostNetwork: true }), 'unknown field "spec.pods.hostNetwork"'],
    ['an account for the pods', pods({ serviceAccountName: 'admin' }), 'unknown field "spec.pods.serviceAccountName"'],
    ['a client twice', clients({ name: 'a' }, { name: 'a' }), 'spec.tls.clientCertificates[1]', 'Duplicate value'],
    [
      'a client with a strange name',
      clients({ name: 'A_b' }),
      'spec.tls.clientCertificates[0].name',
      'lower-case letters',
    ],
    [
      'a client with a subject in its name',
      clients({ name: 'a', commonName: 'a,O=system:masters' }),
      'spec.tls.clientCertificates[0].commonName',
      'must hold only',
    ],
    [
      'a client with the common name of the operator',
      clients({ name: 'a', commonName: 'quorate-operator' }),
      'spec.tls.clientCertificates[0].commonName',
      'which the operator itself uses',
    ],
    [
      'a client whose name becomes the common name of backups',
      clients({ name: 'a' }, { name: 'quorate-backup' }),
      'spec.tls.clientCertificates[1].commonName',
      'set another commonName',
    ],
    [
      'peers of nobody',
      { ...least, networkPolicy: { clients: [{}] } },
      'spec.networkPolicy.clients[0]',
      'podSelector, namespaceSelector or both',
    ],
    [
      'a block and a selector at once',
      { ...least, networkPolicy: { clients: [{ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }] } },
      'spec.networkPolicy.clients[0]',
      'or ipBlock alone',
    ],
    [
      'a block with host bits',
      { ...least, networkPolicy: { clients: [{ ipBlock: { cidr: '10.0.0.1/8' } }] } },
      'spec.networkPolicy.clients[0].ipBlock.cidr',
      'without host bits',
    ],
    [
      'an address for a block',
      { ...least, networkPolicy: { clients: [{ ipBlock: { cidr: '10.0.0.1' } }] } },
      'spec.networkPolicy.clients[0].ipBlock.cidr',
      'such as 203.0.113.0/24',
    ],
    [
      'a block without what it does not hold',
      { ...least, networkPolicy: { clients: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] } },
      'spec.networkPolicy.clients[0].ipBlock',
      'except must hold only ranges within cidr',
    ],
    [
      'a block without all of itself',
      { ...least, networkPolicy: { clients: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }] } },
      'spec.networkPolicy.clients[0].ipBlock',
      'smaller than it',
    ],
    [
      'an unknown Service',
      { ...least, service: { type: 'ExternalName' } },
      'spec.service.type',
      '"ClusterIP", "LoadBalancer", "NodePort"',
    ],
    [
      'a schedule without a store',
      { ...least, backup: { schedules: [{ name: 'n', schedule: '0 * * * *' }] } },
      'spec.backup.store',
      'Required value',
    ],
    [
      'a Secret of another namespace',
      store({ credentialsSecret: { name: 'key', namespace: 'kube-system' } }),
      'unknown field "spec.backup.store.s3.credentialsSecret.namespace"',
    ],
    [
      'a Secret by a path',
      store({ credentialsSecret: { name: '../kube-system/key' } }),
      'spec.backup.store.s3.credentialsSecret.name',
      'must be the name of an object',
    ],
    [
      'a prefix that climbs',
      store({ prefix: 'a/../../b' }),
      'spec.backup.store.s3.prefix',
      'no part beginning with a dot',
    ],
    ['an absolute prefix', store({ prefix: '/a' }), 'spec.backup.store.s3.prefix', 'such as prod/etcd'],
    [
      'an endpoint with a password',
      store({ endpoint: 'https://user:secret@s3.example.com' }),
      'spec.backup.store.s3.endpoint',
      'scheme, host and port only',
    ],
    [
      'an endpoint that is a file',
      store({ endpoint: 'file:///etc/passwd' }),
      'spec.backup.store.s3.endpoint',
      'such as https://s3.example.com:9000',
    ],
    [
      'a bucket that is none',
      store({ bucket: 'My_Bucket' }),
      'spec.backup.store.s3.bucket',
      '3 to 63 lower-case letters',
    ],
    [
      'the 61st minute',
      schedules({ name: 'n', schedule: '61 * * * *' }),
      'spec.backup.schedules[0].schedule',
      'minute (0-59)',
    ],
    [
      'a cron of six fields',
      schedules({ name: 'n', schedule: '0 0 * * * *' }),
      'spec.backup.schedules[0].schedule',
      'five cron fields',
    ],
    [
      'a schedule twice',
      schedules({ name: 'n', schedule: '0 * * * *' }, { name: 'n', schedule: '1 * * * *' }),
      'spec.backup.schedules[1]',
      'Duplicate value',
    ],
    ['a field that is not built yet', { ...least, bootstrap: {} }, 'unknown field "spec.bootstrap"'],
  ])('%s', async (_, spec, ...words) => {
    const answer = await served.judge(CLUSTERS, 'orders', spec);
    expect([400, 422]).toContain(answer.status);
    for (const word of words) expect(answer.message).toContain(word);
    // What has been stored before a rule came to be meets the same rule in the operator.
    const onlyHere = /unknown field|more than limits/.test(answer.message);
    if (!onlyHere) expect(effective(spec).ok).toBe(false);
  });
});

describe('the name of a cluster', () => {
  test.each([
    ['a', true],
    ['orders-2', true],
    ['o'.repeat(52), true],
    ['o'.repeat(53), false],
    ['o'.repeat(63), false],
    ['2orders', false],
    ['shop.orders', false],
    ['orders-', false],
  ])('%s may be used: %s', async (name, taken) => {
    const { message } = await served.judge(CLUSTERS, name, least);
    expect(message === '').toBe(taken);
    expect(effective(least, name).ok).toBe(taken);
    if (name.length > 52) expect(message).toContain('metadata.name must begin with a letter');
    if (name.length > 52) expect(message).toContain('at most 52 characters');
  });
});

describe('an edit of a formed cluster, or of a backup', () => {
  const storage = (s: object) => ({ ...least, storage: { size: '10Gi', ...s } });
  test.each<[string, string, object, object, ...string[]]>([
    ['more storage is taken', CLUSTERS, storage({}), storage({ size: '11Gi' })],
    ['the same storage in another unit is taken', CLUSTERS, storage({}), storage({ size: '10240Mi' })],
    ['more members are taken', CLUSTERS, least, { ...least, replicas: 5 }],
    ['another retention is taken', CLUSTERS, least, storage({ retentionPolicy: { whenDeleted: 'Delete' } })],
    [
      'less storage is refused',
      CLUSTERS,
      storage({}),
      storage({ size: '9Gi' }),
      'spec.storage.size',
      'cannot shrink from 10Gi',
    ],
    [
      'another class is refused',
      CLUSTERS,
      storage({ storageClassName: 'a' }),
      storage({ storageClassName: 'b' }),
      'spec.storage.storageClassName',
      'cannot change, because the volumes exist',
    ],
    [
      'a class for the default one is refused',
      CLUSTERS,
      storage({}),
      storage({ storageClassName: 'b' }),
      'spec.storage.storageClassName',
      'cannot change',
    ],
    [
      'the default class for one is refused',
      CLUSTERS,
      storage({ storageClassName: 'a' }),
      storage({}),
      'spec.storage.storageClassName',
      'cannot change',
    ],
    [
      'another access mode is refused',
      CLUSTERS,
      storage({}),
      storage({ accessMode: 'ReadWriteOncePod' }),
      'spec.storage.accessMode',
      'set ReadWriteOnce',
    ],
    ['the same backup is taken', 'etcdbackups', backup, backup],
    [
      'another cluster for a backup is refused',
      'etcdbackups',
      backup,
      { ...backup, clusterName: 'other' },
      'spec cannot change',
      'make a new EtcdBackup',
    ],
    [
      'another schedule for a backup is refused',
      'etcdbackups',
      backup,
      { clusterName: 'orders' },
      'spec cannot change',
    ],
  ])('%s', async (_, plural, from, to, ...words) => {
    const formed = plural === CLUSTERS ? { observedGeneration: 1, genesis: '00112233aabbccdd' } : undefined;
    const { message } = await served.judgeChange(plural, from, to, formed);
    if (words.length === 0) expect(message).toBe('');
    for (const word of words) expect(message).toContain(word);
  });
});

describe('an edit back to what the cluster was formed with', () => {
  const formed = { observedGeneration: 1, genesis: '00112233aabbccdd' };
  const volumes = { size: '10737418240', storageClassName: 'a', accessMode: 'ReadWriteOnce' };
  const asked = { ...least, storage: { size: '20Gi', storageClassName: 'b', accessMode: 'ReadWriteOncePod' } };
  const back = { size: '10Gi', storageClassName: 'a', accessMode: 'ReadWriteOnce' };
  test.each<[string, object, object, ...string[]]>([
    ['is taken', volumes, back],
    ['is taken for each field alone', volumes, { ...asked.storage, size: '15Gi' }],
    [
      'is taken for the class that was left open',
      { ...volumes, storageClassName: undefined },
      { ...back, storageClassName: undefined },
    ],
    ['is refused beyond it', volumes, { ...back, size: '9Gi' }, 'set 10737418240 or more'],
    ['is refused to another class', volumes, { ...back, storageClassName: 'c' }, 'spec.storage.storageClassName'],
    ['is refused to no class', volumes, { ...back, storageClassName: undefined }, 'spec.storage.storageClassName'],
    [
      'is refused to what nobody has told',
      {},
      back,
      'spec.storage.size',
      'spec.storage.storageClassName',
      'spec.storage.accessMode',
    ],
  ])('%s', async (_, storage, to, ...words) => {
    const { message } = await served.judgeChange(CLUSTERS, asked, { ...least, storage: to }, { ...formed, storage });
    if (words.length === 0) expect(message).toBe('');
    for (const word of words) expect(message).toContain(word);
  });
});

describe('an edit of a cluster that holds nothing yet', () => {
  test.each<[string, object]>([
    ['less storage', { size: '9Gi', storageClassName: 'a' }],
    ['another class', { size: '10Gi', storageClassName: 'b' }],
    ['the default class', { size: '10Gi' }],
    ['another access mode', { size: '10Gi', storageClassName: 'a', accessMode: 'ReadWriteOncePod' }],
  ])('is taken as a correction: %s', async (_, storage) => {
    const from = { ...least, storage: { size: '10Gi', storageClassName: 'a' } };
    expect((await served.judgeChange(CLUSTERS, from, { ...least, storage })).message).toBe('');
    const seen = { observedGeneration: 1, conditions: [] };
    expect((await served.judgeChange(CLUSTERS, from, { ...least, storage }, seen)).message).toBe('');
  });
});

describe('the resources as people use them', () => {
  interface Scale {
    spec: { replicas: number };
    status: { replicas: number; selector?: string };
  }

  test('scale to 5, and not to 2 or 11', async () => {
    const name = await served.keep(CLUSTERS, least);
    const path = served.path(CLUSTERS, `/${name}/scale`);
    const before = await served.kube.call<Scale>('GET', path);
    expect(before.spec.replicas).toBe(3);
    for (const [replicas, status] of [
      [5, 200],
      [2, 422],
      [0, 422],
      [11, 422],
    ] as const) {
      const answer = await served.send('PUT', `${path}?dryRun=All`, { ...before, spec: { replicas } });
      expect(answer.status).toBe(status);
      if (status === 422) expect(answer.message).toContain('spec.replicas');
    }
  });
  test('carry the selector of the status into the scale', async () => {
    const name = await served.keep(CLUSTERS, least);
    const object = (await served.send('GET', served.path(CLUSTERS, `/${name}`))).object;
    const status = { observedGeneration: 1, replicas: 3, selector: 'etcd.quorate.dev/cluster=x' };
    const answer = await served.send('PUT', served.path(CLUSTERS, `/${name}/status`), { ...object, status });
    expect(answer.message).toBe('');
    const scale = await served.kube.call<Scale>('GET', served.path(CLUSTERS, `/${name}/scale`));
    expect(scale.status).toEqual({ replicas: 3, selector: status.selector });
  });
  test.each(['etcdclusters', 'etcdbackups'])(
    '%s look unfinished until somebody has seen them, whatever status was applied',
    async (plural) => {
      const spec = plural === CLUSTERS ? least : backup;
      const pretended = { ...served.object(plural, 'orders', spec), status: { observedGeneration: 1, conditions: [] } };
      const answer = await served.send('POST', `${served.path(plural)}?dryRun=All&fieldValidation=Strict`, pretended);
      expect(answer.object?.status).toEqual({ observedGeneration: -1 });
    },
  );
  test('find the backups of one cluster by field', async () => {
    const name = await served.keep('etcdbackups', { clusterName: 'chosen' });
    await served.keep('etcdbackups', { clusterName: 'another' });
    const list = await served.kube.call<{ items: { metadata: { name: string } }[] }>(
      'GET',
      `${served.path('etcdbackups')}?fieldSelector=spec.clusterName%3Dchosen`,
    );
    expect(list.items.map((item) => item.metadata.name)).toEqual([name]);
  });
  test('are what this tree says: nothing is lost on the way into the API server and out again', async () => {
    for (const plural of [CLUSTERS, 'etcdbackups']) {
      const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${plural}.${served.group}`;
      const live = await served.kube.call<{ spec: { versions: unknown[] } }>('GET', path);
      expect(live.spec.versions).toEqual(definitionOf(plural).spec.versions);
    }
  });
});
