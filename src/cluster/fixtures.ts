// SPDX-License-Identifier: Apache-2.0
// Test data: what is seen of a cluster in which everything is as it should be, and parts of it that are not.
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import { ANNOTATIONS, LABELS } from '../api/names.ts';
import type { MemberStatus } from '../etcd/types.ts';
import type { KubeObject } from '../runtime/json.ts';
import type { PersistentVolumeClaim, Pod } from '../runtime/resources.ts';
import { formationOf } from './formation.ts';
import type { Identity } from './identity.ts';
import type { ChildState, MemberView, Observed, SecretState } from './observed.ts';
import { plan } from './plan.ts';
import { childLabels } from './render/children.ts';
import { renderMemberFiles } from './render/memberfile.ts';
import { renderClaims, renderStatefulSet } from './render/statefulset.ts';

export const now = new Date('2026-11-23T10:00:00Z');

export const spec = {
  replicas: 3,
  version: '3.6.16',
  image: { repository: 'gcr.io/etcd-development/etcd', pullPolicy: 'IfNotPresent', pullSecrets: [] },
  storage: { size: '1Gi', accessMode: 'ReadWriteOnce', retentionPolicy: { whenDeleted: 'Retain' } },
  tls: { clientCertificates: [{ name: 'app' }] },
  quota: '256Mi',
  etcd: {
    maxRequestBytes: '1536Ki',
    autoCompaction: { mode: 'Periodic', retention: '5m' },
    heartbeatInterval: '100ms',
    electionTimeout: '1s',
    snapshotCount: 10000,
  },
  pods: { resources: {} },
  service: { type: 'ClusterIP', annotations: {} },
  networkPolicy: { enabled: true },
  paused: false,
} as unknown as EffectiveCluster;

export const cluster = {
  metadata: {
    name: 'orders',
    namespace: 'shop',
    uid: 'u1',
    resourceVersion: '5',
    generation: 1,
    creationTimestamp: '2026-11-23T09:00:00Z',
  },
  spec: {},
} as unknown as EtcdCluster;

export const identity: Identity = {
  genesis: '00112233aabbccdd',
  phase: 'Formed',
  members: [0, 1, 2].map((i) => ({ name: `orders-${i}`, incarnation: `0000000${i}`, sealed: true })),
  formation: formationOf(spec),
  authorities: { peer: 'P', client: 'C' },
};

const status = (i: number): MemberStatus =>
  ({
    clusterId: 'c1',
    memberId: `m${i}`,
    leaderId: 'm0',
    isLearner: false,
    dbSize: 1,
    dbSizeInUse: 1,
    errors: [],
  }) as unknown as MemberStatus;

/** The record at a stage of forming: these members are sealed, and nothing is formed yet. */
export const forming = (...sealed: number[]): Identity => ({
  ...identity,
  phase: 'Forming',
  members: identity.members.map((m, i) => ({ ...m, sealed: sealed.includes(i) })),
});

export const unsealed = forming();
export const allSealed = forming(0, 1, 2);

/** Its kubelet was just told of this proof. */
export const pod = (i: number, genesis = identity.genesis, proof = ''): Pod => ({
  metadata: {
    name: `orders-${i}`,
    namespace: 'shop',
    uid: `p${i}`,
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'orders', uid: 's1', controller: true }],
    annotations: { [ANNOTATIONS.genesis]: genesis, [ANNOTATIONS.file]: `${proof.slice(-16)}@${now.getTime()}` },
  },
  status: { podIP: `198.18.64.${i}` },
});

export const same = (child: ChildState['child']): ChildState => ({ child, live: child.desired, foreign: undefined });

/** A cluster in which everything is as it should be; a row changes one thing. */
export function observed(over: Partial<Observed> = {}): Observed {
  const id: Identity | undefined = 'identity' in over ? over.identity : identity;
  const files = id === undefined ? undefined : renderMemberFiles(id, 'shop');
  const members: MemberView[] = [0, 1, 2].map((i) => ({
    name: `orders-${i}`,
    pod: pod(i),
    started: true,
    provenFile: files?.proofs[`orders-${i}`],
    status: status(i),
    error: undefined,
  }));
  const claims = id === undefined ? [] : renderClaims(cluster, id);
  const marked = claims.map((c) => ({
    ...same(c),
    live: {
      ...c.desired,
      metadata: {
        ...c.desired.metadata,
        annotations: { ...c.desired.metadata.annotations, [ANNOTATIONS.formed]: 'true' },
      },
    },
  }));
  return {
    now,
    cluster,
    spec,
    specFailure: undefined,
    config: { metadata: { name: 'orders-config', resourceVersion: '7', labels: childLabels(cluster, undefined) } },
    configForeign: undefined,
    identity: id,
    known: id,
    identityProblem: undefined,
    recovered: undefined,
    files,
    authorities: [
      {
        side: 'peer',
        secret: { metadata: { name: 'a' } },
        foreign: undefined,
        fingerprint: 'P',
        cert: 'x',
        notAfter: undefined,
        problem: undefined,
      },
      {
        side: 'client',
        secret: { metadata: { name: 'b' } },
        foreign: undefined,
        fingerprint: 'C',
        cert: 'x',
        notAfter: undefined,
        problem: undefined,
      },
    ],
    secrets: [],
    children: id === undefined ? [] : [...marked, same(renderStatefulSet(cluster, id))],
    obsolete: [],
    claims: [],
    pods: [0, 1, 2].map((i) => pod(i, identity.genesis, files?.proofs[`orders-${i}`])),
    podsRefused: undefined,
    members,
    quorum: {
      read: true,
      clusterId: 'c1',
      error: undefined,
      members: [0, 1, 2].map((i) => ({
        id: `m${i}`,
        name: `orders-${i}`,
        peerUrls: [],
        clientUrls: [],
        isLearner: false,
      })),
    },
    ...over,
  };
}

/** Started never, or again after these last words. */
export const down = (i: number, message?: string): MemberView => ({
  name: `orders-${i}`,
  started: false,
  provenFile: undefined,
  status: undefined,
  error: 'refused',
  pod:
    message === undefined
      ? pod(i)
      : ({ ...pod(i), status: { containerStatuses: [{ lastState: { terminated: { message } } }] } } as unknown as Pod),
});

export const members = (...views: MemberView[]): MemberView[] =>
  observed().members.map((m) => views.find((v) => v.name === m.name) ?? m);

export const broken: SecretState = {
  need: { name: 'orders-tls-server', side: 'client', leaves: [], extra: {} },
  secret: undefined,
  foreign: undefined,
  problem: 'missing',
  notAfter: undefined,
};

/** A Secret of a name that the cluster needs, made by somebody else. */
export const stray = (name: string): SecretState => ({
  ...broken,
  need: { ...broken.need, name },
  secret: { metadata: { name } },
  foreign: 'stranger',
});

export const claimOf = (genesis: string, formed: boolean, i = 0): PersistentVolumeClaim => ({
  metadata: {
    name: `data-orders-${i}`,
    namespace: 'shop',
    labels: { [LABELS.cluster]: 'orders' },
    annotations: {
      [ANNOTATIONS.genesis]: genesis,
      [ANNOTATIONS.incarnation]: '0000000a',
      [ANNOTATIONS.formed]: String(formed),
    },
  },
  spec: { storageClassName: 'gone', resources: { requests: { storage: '1Gi' } } },
  status: { phase: 'Pending' },
});

export const leaving = <T extends KubeObject>(object: T): T => ({
  ...object,
  metadata: { ...object.metadata, deletionTimestamp: '2026-11-23T09:59:00Z' },
});

/** With a volume, and made at that time: the EtcdCluster is of nine o'clock. */
export const bound = (claim: PersistentVolumeClaim, time: string): PersistentVolumeClaim => ({
  ...claim,
  metadata: { ...claim.metadata, creationTimestamp: `2026-11-23T${time}:00Z` },
  spec: { ...claim.spec, volumeName: 'pv' },
  status: { phase: 'Bound' },
});

export interface Row {
  sentence: string;
  seen: Observed;
  action?: string | undefined;
  reason?: string | undefined;
  finding?: string | undefined;
  kind?: string | undefined;
}

/** Every object as it should be, but the claims not yet marked as holding a formed cluster. */
export const unmarked = (record: Identity): ChildState[] => [
  ...renderClaims(cluster, record).map(same),
  same(renderStatefulSet(cluster, record)),
];

/** Pod 2, bound to its node that long ago. */
export function boundPod(o: { secondsAgo: number; told?: boolean; startTime?: string; podIP?: string }): Pod {
  const { files } = observed({ identity: unsealed });
  const { metadata } = pod(2, identity.genesis, o.told === true ? files?.proofs['orders-2'] : undefined);
  const lastTransitionTime = new Date(now.getTime() - o.secondsAgo * 1000).toISOString();
  const conditions = [{ type: 'PodScheduled', status: 'True', lastTransitionTime }];
  const { startTime, podIP } = o;
  return {
    metadata,
    status: {
      conditions,
      ...(startTime === undefined ? {} : { startTime }),
      ...(podIP === undefined ? {} : { podIP }),
    },
  };
}

/** Two members run and are sealed, the third is about to. */
export const awaiting = (last: Pod) =>
  observed({
    identity: forming(0, 1),
    members: members(down(2)),
    pods: [...observed({ identity: forming(0, 1) }).pods.slice(0, 2), last],
  });

/** The one thing that is done next, or what is said when nothing is. */
export function outcome({ seen }: Row): Omit<Row, 'sentence' | 'seen'> {
  const { step, findings } = plan(seen);
  return { action: step?.action, reason: step?.reason, finding: findings[0]?.reason, kind: findings[0]?.kind };
}

/** What a row does not name is not to be; where it names no reason, any will do. */
export const expected = ({ action, reason, finding, kind }: Row): object =>
  reason === undefined ? { action, finding, kind } : { action, reason, finding, kind };
