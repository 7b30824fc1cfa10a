// SPDX-License-Identifier: Apache-2.0
// Test data for the status: what is seen of a cluster that serves, and parts of it that do not.
import type { EffectiveCluster, EtcdCluster, EtcdClusterStatus } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import type { MemberStatus } from '../etcd/types.ts';
import { formationOf } from './formation.ts';
import { drawIdentity } from './identity.ts';
import type { MemberView, Observed, SecretState } from './observed.ts';

export const MIB = 2 ** 20;
export const now = new Date('2026-11-23T10:00:00.789Z');
export const earlier = '2026-11-22T08:00:00Z';

export const cluster: EtcdCluster = {
  metadata: { name: 'orders', namespace: 'shop', uid: 'u1', generation: 4 },
  spec: { replicas: 3, version: '3.6.16', storage: { size: '1Gi' }, tls: { clientCertificates: [{ name: 'app' }] } },
};

function specOf(object: EtcdCluster): EffectiveCluster {
  const made = effectiveSpec(object);
  if (!made.ok) throw new Error(made.message);
  return made.spec;
}

export const spec = specOf(cluster);
export const identity = { ...drawIdentity('orders', formationOf(spec)), phase: 'Formed' as const };

export const serving = (i: number, over: Partial<MemberStatus> = {}): MemberView => ({
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
export const silent = (i: number): MemberView => ({
  ...serving(i),
  started: false,
  status: undefined,
  error: 'refused',
});

export const issued = (name: string, over: Partial<SecretState> = {}, client?: string): SecretState => ({
  need: { name, side: 'client', leaves: [], extra: {}, ...(client === undefined ? {} : { client }) },
  secret: { metadata: { name } },
  foreign: undefined,
  problem: undefined,
  notAfter: new Date('2027-02-20T10:00:00.500Z'),
  ...over,
});

export function observed(over: Partial<Observed> = {}): Observed {
  return {
    now,
    cluster,
    spec,
    specFailure: undefined,
    config: undefined,
    configForeign: undefined,
    identity,
    known: over.identity ?? identity,
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

export const before = (status: Partial<EtcdClusterStatus>): Partial<Observed> => ({
  cluster: { ...cluster, status: status as EtcdClusterStatus },
});

export const specFailure = { ok: false as const, field: 'spec.x', message: 'is wrong' };
export const last = {
  genesis: identity.genesis,
  membersSummary: '2/3',
  leader: 'orders-2',
  endpoints: ['a'],
  dbSize: '3Mi',
};
export const unreadable: Partial<Observed> = { identity: undefined, configForeign: 'stranger' };

export const away: Partial<Observed> = {
  members: [serving(0), silent(1), silent(2)],
  quorum: { read: false, clusterId: undefined, members: undefined, error: 'no leader' },
};
