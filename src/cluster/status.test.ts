// SPDX-License-Identifier: Apache-2.0
// Tables for the status: what is seen of a cluster, and what its status says of it.
import { describe, expect, it } from 'vitest';
import type { EffectiveCluster, EtcdCluster, EtcdClusterStatus } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import type { MemberStatus } from '../etcd/types.ts';
import { conditionsProblem } from '../runtime/conditions.ts';
import { drawIdentity, formationOf } from './identity.ts';
import type { MemberView, Observed, SecretState } from './observed.ts';
import type { Finding } from './rules/rule.ts';
import { deriveStatus, failedStatus, invalidStatus } from './status.ts';

const MIB = 2 ** 20;
const now = new Date('2026-11-23T10:00:00.789Z');
const earlier = '2026-11-22T08:00:00Z';

const cluster: EtcdCluster = {
  metadata: { name: 'orders', namespace: 'shop', uid: 'u1', generation: 4 },
  spec: { replicas: 3, version: '3.6.16', storage: { size: '1Gi' }, tls: { clientCertificates: [{ name: 'app' }] } },
};

function specOf(object: EtcdCluster): EffectiveCluster {
  const made = effectiveSpec(object);
  if (!made.ok) throw new Error(made.message);
  return made.spec;
}

const spec = specOf(cluster);
const identity = { ...drawIdentity('orders', formationOf(spec)), phase: 'Formed' as const };

const serving = (i: number, over: Partial<MemberStatus> = {}): MemberView => ({
  name: `orders-${i}`,
  pod: { metadata: { name: `orders-${i}` } },
  started: true,
  provenFile: undefined,
  error: undefined,
  status: {
    clusterId: 'c1',
    memberId: `m${i}`,
    leaderId: 'm1',
    raftTerm: 2n,
    raftIndex: 9n,
    raftAppliedIndex: 9n,
    revision: 5n,
    version: '3.6.16',
    dbSize: 40 * MIB,
    dbSizeInUse: 10 * MIB,
    isLearner: false,
    errors: [],
    ...over,
  },
});
const silent = (i: number): MemberView => ({ ...serving(i), started: false, status: undefined, error: 'refused' });

const issued = (name: string, over: Partial<SecretState> = {}, client?: string): SecretState => ({
  need: { name, side: 'client', leaves: [], extra: {}, ...(client === undefined ? {} : { client }) },
  secret: { metadata: { name } },
  foreign: undefined,
  problem: undefined,
  notAfter: new Date('2027-02-20T10:00:00.500Z'),
  ...over,
});

function observed(over: Partial<Observed> = {}): Observed {
  return {
    now,
    cluster,
    spec,
    config: undefined,
    configForeign: undefined,
    identity,
    identityProblem: undefined,
    recovered: undefined,
    files: undefined,
    authorities: [],
    secrets: [issued('orders-tls-server'), issued('orders-client-app', {}, 'app')],
    children: [],
    obsolete: [],
    claims: [],
    pods: [],
    podsRefused: undefined,
    members: [0, 1, 2].map((i) => serving(i)),
    quorum: { read: true, clusterId: 'c1', members: undefined, error: undefined },
    ...over,
  };
}

const before = (status: Partial<EtcdClusterStatus>): Partial<Observed> => ({
  cluster: { ...cluster, status: status as EtcdClusterStatus },
});
const known = (over: object) => ({ name: 'orders-0', id: 'm0', role: 'Follower' as const, healthy: true, ...over });

const away: Partial<Observed> = {
  members: [serving(0), silent(1), silent(2)],
  quorum: { read: false, clusterId: undefined, members: undefined, error: 'no leader' },
};
const quorumLost: Finding = { kind: 'blocked', reason: 'QuorumLost', message: 'bring them back' };

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
    'the client Secrets that are there, and that of backups, are named, so that they can be removed one day',
    { secrets: [issued('orders-tls-server'), issued('orders-tls-backup'), issued('orders-client-app', {}, 'app')] },
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
    expect([status.genesis, status.clusterId]).toEqual([undefined, undefined]);
  });

  it('a silent member says nothing of its health, not even an old time', () => {
    const over = { ...before({ members: [known({ healthySince: earlier })] }), members: [silent(0)] };
    expect(deriveStatus(observed(over), [], undefined).members?.[0]).not.toHaveProperty('healthySince');
  });
});

type Row = [sentence: string, over: Partial<Observed>, findings: Finding[], want: Record<string, string | undefined>];

/** Type → `status reason`; undefined: the type is absent. */
const rows: Row[] = [
  [
    'all is well',
    {},
    [],
    {
      Ready: 'True Ready',
      Available: 'True QuorumServes',
      MembersHealthy: 'True AllServe',
      TLSReady: 'True Issued',
      VersionCurrent: 'True Current',
      Reconciling: undefined,
      Stalled: undefined,
      QuorumLost: undefined,
      UpdatePending: undefined,
      Paused: undefined,
    },
  ],
  [
    'a lost quorum has a condition of its own, and nothing is available',
    away,
    [quorumLost],
    {
      Ready: 'False QuorumLost',
      Stalled: 'True QuorumLost',
      QuorumLost: 'True QuorumLost',
      Available: 'False QuorumLost',
      MembersHealthy: 'False MemberDown',
    },
  ],
  [
    'a quorum that is away for a moment is progress, and not called lost',
    away,
    [{ ...quorumLost, kind: 'progress' }],
    { Reconciling: 'True QuorumLost', Stalled: undefined, QuorumLost: undefined, Available: 'False QuorumLost' },
  ],
  [
    'a version that is advised against is not current',
    { identity: { ...identity, formation: { ...identity.formation, version: '3.6.11' } } },
    [],
    { Ready: 'True Ready', VersionCurrent: 'False Advised' },
  ],
  ['without certificates TLS is not ready', { secrets: [] }, [], { TLSReady: 'False Pending' }],
  [
    'a certificate that cannot be used is named',
    { secrets: [issued('orders-tls-server', { problem: 'expired' })] },
    [],
    { TLSReady: 'False CertificateInvalid' },
  ],
  [
    'a lost authority counts more than its leaves',
    { secrets: [issued('orders-tls-server', { problem: 'expired' })] },
    [{ kind: 'blocked', reason: 'AuthorityLost', message: 'gone' }],
    { TLSReady: 'False AuthorityLost', Ready: 'False AuthorityLost' },
  ],
  [
    'a client without its Secret cannot use the cluster',
    { secrets: [issued('orders-client-app', { secret: undefined, problem: 'missing' }, 'app')] },
    [],
    { Available: 'False CertificatesPending' },
  ],
  [
    'a cluster that is not formed is not available, whatever its members say',
    { identity: { ...identity, phase: 'Forming' } },
    [{ kind: 'progress', reason: 'Sealing', message: 'waiting' }],
    { Available: 'False Bootstrapping', MembersHealthy: 'False Bootstrapping', Reconciling: 'True Sealing' },
  ],
  [
    'an edit that is not built yet is pending',
    {},
    [{ kind: 'blocked', reason: 'UnsupportedChange', message: 'spec.replicas' }],
    { UpdatePending: 'True UnsupportedChange', Available: 'True QuorumServes', Ready: 'False UnsupportedChange' },
  ],
  [
    'a pause is told, and a pause with nothing to do is ready',
    { spec: { ...spec, paused: true } },
    [],
    { Paused: 'True Paused', Ready: 'True Ready' },
  ],
];

const saidOf = (status: EtcdClusterStatus, type: string): string | undefined => {
  const found = status.conditions.find((c) => c.type === type);
  return found && `${found.status} ${found.reason}`;
};

describe('conditions', () => {
  it.each(rows)('%s', (_sentence, over, findings, want) => {
    const status = deriveStatus(observed(over), findings, undefined);
    expect(Object.fromEntries(Object.keys(want).map((type) => [type, saidOf(status, type)]))).toEqual(want);
    expect(conditionsProblem({ ...cluster, status })).toBeUndefined();
  });

  it('what is down is named with its reason, and what is wrong with a certificate too', () => {
    const over = { ...away, secrets: [issued('orders-tls-server', { problem: 'expired' })] };
    const { conditions } = deriveStatus(observed(over), [], undefined);
    const message = (type: string) => conditions.find((c) => c.type === type)?.message;
    expect(message('MembersHealthy')).toBe('orders-1: refused; orders-2: refused');
    expect(message('TLSReady')).toBe('orders-tls-server: expired');
  });

  it('a transition time is that of the last change of status', () => {
    const old = { type: 'Available', reason: 'x', message: 'x', observedGeneration: 3, lastTransitionTime: earlier };
    const at = (status: 'True' | 'False') =>
      deriveStatus(observed(before({ conditions: [{ ...old, status }] })), [], undefined).conditions.find(
        (c) => c.type === 'Available',
      )?.lastTransitionTime;
    expect([at('True'), at('False')]).toEqual([earlier, '2026-11-23T10:00:00Z']);
  });

  it.each([
    ['a spec that cannot be meant', 'InvalidSpec', invalidStatus],
    ['a cluster that cannot be looked at', 'ReconcileFailed', failedStatus],
  ])(
    '%s blocks; members stay as they were seen, and nobody claims that they still serve or that backups are made',
    (_sentence, reason, make) => {
      const healthy = { status: 'True' as const, reason: 'LastBackupSucceeded', message: 'm' };
      const earlierStatus = deriveStatus(observed(), [], { status: {}, healthy });
      const failure = { ok: false as const, field: 'spec.x', message: 'is wrong' };
      const status = make({ ...cluster, status: earlierStatus }, failure, now);
      expect(['Ready', 'Stalled', 'Available', 'BackupHealthy'].map((type) => saidOf(status, type))).toEqual([
        `False ${reason}`,
        `True ${reason}`,
        `Unknown ${reason}`,
        `Unknown ${reason}`,
      ]);
      expect(status.members).toEqual(earlierStatus.members);
      expect(conditionsProblem({ ...cluster, status })).toBeUndefined();
    },
  );

  it('names the genesis of a formed cluster for as long as the cluster exists, record or not', () => {
    const earlierStatus = deriveStatus(observed(), [], undefined);
    const lost = observed({ identity: undefined, cluster: { ...cluster, status: earlierStatus } });
    const status = deriveStatus(lost, [], undefined);
    expect(status.genesis).toBe(earlierStatus.genesis);
    expect(status.genesis).toBeDefined();
    expect(status.clientSecrets).toEqual(earlierStatus.clientSecrets);
  });
});
