// SPDX-License-Identifier: Apache-2.0
// Tables for the status: what is seen of a cluster, and which figures its status gives.
import { describe, expect, it } from 'vitest';
import { secrets, services } from '../runtime/resources.ts';
import { spec } from './fixtures.ts';
import type { Observed } from './observed.ts';
import { deriveStatus } from './status.ts';
import {
  away,
  before,
  cluster,
  earlier,
  identity,
  last,
  MIB,
  observed,
  serving,
  silent,
  specFailure,
  unreadable,
} from './statusfixtures.ts';

const known = (over: object) => ({ name: 'orders-0', id: 'm0', role: 'Follower' as const, healthy: true, ...over });

const held = (side: 'peer' | 'client'): Observed['authorities'][number] => ({
  side,
  secret: undefined,
  foreign: undefined,
  fingerprint: undefined,
  cert: undefined,
  notAfter: new Date('2036-11-20T10:00:00.500Z'),
  problem: undefined,
});

const fields: [string, Partial<Observed>, object][] = [
  [
    'a healthy cluster is counted, identified and reachable',
    {},
    {
      observedGeneration: 4,
      membersSummary: '3/3',
      replicas: 3,
      readyReplicas: 3,
      leader: 'orders-1',
      version: '3.6.16',
      genesis: identity.genesis,
      clusterId: 'c1',
      clientSecrets: ['orders-client-app'],
      endpoints: [0, 1, 2].map((i) => `https://orders-${i}.shop.svc:2379`),
      selector: 'etcd.quorate.dev/cluster=orders,app.kubernetes.io/component=member',
    },
  ],
  [
    'the client Secrets that are asked for, and that of backups, are named, so that they can be removed one day',
    {
      spec: {
        ...spec,
        backup: {
          store: {
            s3: { bucket: 'b', region: 'r', prefix: '', credentialsSecret: { name: 's3' }, forcePathStyle: true },
          },
          schedules: [],
        },
      },
    },
    { clientSecrets: ['orders-client-app', 'orders-tls-backup'] },
  ],
  [
    'each member has its id, role, version, sizes and the time since when it serves',
    {},
    {
      members: [
        { name: 'orders-0', id: 'm0', role: 'Follower', healthySince: '2026-11-23T10:00:00Z', dbSize: '40Mi' },
        { name: 'orders-1', id: 'm1', role: 'Leader', version: '3.6.16', dbSizeInUse: '10Mi' },
        { name: 'orders-2', healthy: true },
      ],
    },
  ],
  [
    'healthySince stays while the member serves',
    before({ members: [known({ healthySince: earlier })] }),
    { members: [{ healthySince: earlier }, {}, {}] },
  ],
  [
    'healthySince begins anew after a member was away',
    before({ members: [known({ healthy: false, healthySince: earlier })] }),
    { members: [{ healthySince: '2026-11-23T10:00:00Z' }, {}, {}] },
  ],
  [
    'a member that is away keeps its id, and nobody is told since when it is healthy',
    { ...before({ members: [known({ healthySince: earlier, version: '3.6.16' })] }), members: [silent(0), serving(1)] },
    { membersSummary: '1/3', members: [{ name: 'orders-0', id: 'm0', role: 'Unknown', healthy: false }, {}] },
  ],
  [
    'a size that moved by less than a tenth is not news',
    { ...before({ dbSize: '38Mi', members: [known({ dbSize: '38Mi', dbSizeInUse: '2Mi' })] }) },
    { dbSize: '38Mi', members: [{ dbSize: '38Mi', dbSizeInUse: '10Mi' }, {}, {}] },
  ],
  [
    'the largest member is the size of the cluster',
    { members: [serving(0), serving(1, { dbSize: 90 * MIB })] },
    { dbSize: '90Mi' },
  ],
  [
    'a member that complains is not healthy',
    { ...before({ members: [known({ healthySince: earlier })] }), members: [serving(0, { errors: ['no leader'] })] },
    { readyReplicas: 0, members: [{ name: 'orders-0', role: 'Follower', healthy: false }] },
  ],
  ['a size that moved by a tenth is not news either', { ...before({ dbSize: '44Mi' }) }, { dbSize: '44Mi' }],
  ['one that moved by more is', { ...before({ dbSize: '45Mi' }) }, { dbSize: '40Mi' }],
  [
    'nor is a single MiB',
    { members: [serving(0, { dbSize: 4 * MIB })], ...before({ dbSize: '3Mi' }) },
    { dbSize: '3Mi' },
  ],
  ['a size that nobody can read is written anew', { ...before({ dbSize: 'large' }) }, { dbSize: '40Mi' }],
  ['an empty database has a size', { members: [serving(0, { dbSize: 1 })] }, { dbSize: '1Mi' }],
  ['a size that nobody tells stays', { ...before({ dbSize: '3Mi' }), members: [silent(0)] }, { dbSize: '3Mi' }],
  [
    'a client Secret is named before it is there, and one that is still to go is too',
    {
      secrets: [],
      obsolete: [
        { resource: secrets, name: 'orders-client-old' },
        { resource: services, name: 'orders-9' },
      ],
    },
    { clientSecrets: ['orders-client-app', 'orders-client-old'] },
  ],
  [
    'those that were named stay so until the cluster is formed',
    {
      ...before({ clientSecrets: ['orders-client-old'] }),
      identity: { ...identity, phase: 'Forming' },
    },
    { clientSecrets: ['orders-client-app', 'orders-client-old'] },
  ],
  ['and no longer', before({ clientSecrets: ['orders-client-old'] }), { clientSecrets: ['orders-client-app'] }],
  [
    'a cluster that nobody has looked at yet has the members that its spec asks for',
    { identity: undefined, known: undefined, members: [], secrets: [] },
    { replicas: 3, readyReplicas: 0, membersSummary: '0/3', endpoints: [], version: undefined },
  ],
  ['a learner is called one', { members: [serving(0, { isLearner: true })] }, { members: [{ role: 'Learner' }] }],
  [
    'without a leader none is named',
    { members: [serving(0, { leaderId: undefined })] },
    { leader: undefined, members: [{ role: 'Follower' }] },
  ],
  [
    'the expiry of every certificate is told, by name',
    {},
    {
      certificates: [
        { name: 'orders-client-app', notAfter: '2027-02-20T10:00:00Z' },
        { name: 'orders-tls-server', notAfter: '2027-02-20T10:00:00Z' },
      ],
    },
  ],
  [
    'so is that of the authorities',
    { secrets: [], authorities: [held('peer'), held('client')] },
    {
      certificates: [
        { name: 'orders-ca-client', notAfter: '2036-11-20T10:00:00Z' },
        { name: 'orders-ca-peer', notAfter: '2036-11-20T10:00:00Z' },
      ],
    },
  ],
  [
    'a formed cluster that nobody can tell the members of keeps what was said last',
    { ...before(last), ...unreadable, known: undefined },
    { ...last, observedGeneration: 4 },
  ],
  [
    'one whose record cannot be read is told by what is remembered of it',
    { ...before({ ...last, membersSummary: '1/3', endpoints: [] }), ...unreadable, known: identity },
    { membersSummary: '3/3', leader: 'orders-1', endpoints: [0, 1, 2].map((i) => `https://orders-${i}.shop.svc:2379`) },
  ],
  [
    'backups stay as they were said to be while the spec cannot be meant',
    { ...before({ backup: { lastSuccessfulBackup: 'b' } }), specFailure },
    { backup: { lastSuccessfulBackup: 'b' } },
  ],
  [
    'a cluster id that cannot be asked stays',
    { ...away, ...before({ clusterId: 'c1' }) },
    { clusterId: 'c1', membersSummary: '1/3' },
  ],
];

describe('status', () => {
  it.each(fields)('%s', (_sentence, over, want) => {
    expect(deriveStatus(observed(over), [], undefined)).toMatchObject(want);
  });

  it('a cluster that is not formed yet has no genesis to rely on', () => {
    const status = deriveStatus(observed({ identity: { ...identity, phase: 'Forming' } }), [], undefined);
    expect([status.genesis, status.clusterId, status.storage]).toEqual([undefined, undefined, undefined]);
  });

  it('a member that is silent or complains says nothing of its health, not even an old time', () => {
    for (const member of [silent(0), serving(0, { errors: ['no leader'] })]) {
      const over = { ...before({ members: [known({ healthySince: earlier })] }), members: [member] };
      expect(deriveStatus(observed(over), [], undefined).members?.[0]).not.toHaveProperty('healthySince');
    }
  });

  it('names the genesis of a formed cluster for as long as the cluster exists, record or not', () => {
    const earlierStatus = deriveStatus(observed(), [], undefined);
    const lost = observed({ ...unreadable, known: undefined, cluster: { ...cluster, status: earlierStatus } });
    const status = deriveStatus(lost, [], undefined);
    expect(status.genesis).toBe(earlierStatus.genesis);
    expect(status.genesis).toBeDefined();
    expect([earlierStatus.storage, status.storage]).toEqual([identity.formation.storage, identity.formation.storage]);
    expect(status.clientSecrets).toEqual(earlierStatus.clientSecrets);
  });
});
