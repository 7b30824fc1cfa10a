// SPDX-License-Identifier: Apache-2.0
// Tables for the planner: what is seen, and the one thing that is done next.
import { describe, expect, it } from 'vitest';
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import { ANNOTATIONS, LABELS } from '../api/names.ts';
import type { MemberStatus } from '../etcd/types.ts';
import type { KubeObject } from '../runtime/json.ts';
import { type PersistentVolumeClaim, type Pod, secrets } from '../runtime/resources.ts';
import { formationOf, type Identity } from './identity.ts';
import type { ChildState, MemberView, Observed, SecretState } from './observed.ts';
import { plan } from './plan.ts';
import { renderMemberFiles } from './render/memberfile.ts';
import { renderBudget } from './render/policies.ts';
import { renderClaims, renderStatefulSet } from './render/statefulset.ts';

const now = new Date('2026-11-23T10:00:00Z');

const spec = {
  replicas: 3,
  version: '3.6.16',
  image: { repository: 'gcr.io/etcd-development/etcd', pullPolicy: 'IfNotPresent', pullSecrets: [] },
  storage: { size: '1Gi', accessMode: 'ReadWriteOnce', retentionPolicy: { whenDeleted: 'Retain' } },
  tls: { clientCertificates: [{ name: 'app' }] },
  etcd: {
    quota: '256Mi',
    maxRequestBytes: '1536Ki',
    autoCompaction: { mode: 'Periodic', retention: '5m' },
    heartbeatInterval: '100ms',
    electionTimeout: '1s',
    snapshotCount: 10000,
  }, // prettier-ignore
  pods: { resources: {} },
  service: { type: 'ClusterIP', annotations: {} },
  networkPolicy: { enabled: true },
  paused: false,
} as unknown as EffectiveCluster;

const cluster = {
  metadata: { name: 'orders', namespace: 'shop', uid: 'u1', resourceVersion: '5', generation: 1 },
  spec: {},
} as unknown as EtcdCluster;

const identity: Identity = {
  genesis: '00112233aabbccdd',
  phase: 'Formed',
  members: [0, 1, 2].map((i) => ({ name: `orders-${i}`, incarnation: `0000000${i}` })),
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

/** Told of these files just now, as soon as they are sealed. */
const pod = (i: number, genesis = identity.genesis, uri = ''): Pod => ({
  metadata: {
    name: `orders-${i}`,
    namespace: 'shop',
    uid: `p${i}`,
    annotations: { [ANNOTATIONS.genesis]: genesis, [ANNOTATIONS.files]: `${uri.slice(-16)}@${now.getTime()}` },
  },
  status: { podIP: `198.18.64.${i}` },
});

const noBudget: ChildState = {
  child: renderBudget(cluster, identity)[0] as ChildState['child'],
  live: undefined,
  foreign: undefined,
};

const same = (child: ChildState['child']): ChildState => ({ child, live: child.desired, foreign: undefined });

/** A cluster in which everything is as it should be; a row changes one thing. */
function observed(over: Partial<Observed> & { phase?: Identity['phase'] } = {}): Observed {
  const { phase, ...rest } = over;
  const id: Identity | undefined = 'identity' in over ? over.identity : { ...identity, phase: phase ?? 'Formed' };
  const files = id === undefined ? undefined : renderMemberFiles(id, 'shop');
  const members: MemberView[] = [0, 1, 2].map((i) => ({
    name: `orders-${i}`,
    pod: pod(i),
    started: true,
    servedFiles: files?.uri,
    status: status(i),
    error: undefined,
  })); // prettier-ignore
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
    config: { metadata: { name: 'orders-config', resourceVersion: '7' } },
    configForeign: undefined,
    identity: id,
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
        problem: undefined,
      },
      {
        side: 'client',
        secret: { metadata: { name: 'b' } },
        foreign: undefined,
        fingerprint: 'C',
        cert: 'x',
        problem: undefined,
      },
    ],
    secrets: [],
    children: id === undefined ? [] : [...marked, same(renderStatefulSet(cluster, id))],
    obsolete: [],
    claims: [],
    pods: [0, 1, 2].map((i) => pod(i, identity.genesis, files?.uri)),
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
    ...rest,
  }; // prettier-ignore
}

const down = (i: number, message?: string): MemberView => ({
  name: `orders-${i}`,
  started: false,
  servedFiles: undefined,
  status: undefined,
  error: 'refused',
  pod:
    message === undefined
      ? pod(i)
      : ({ ...pod(i), status: { containerStatuses: [{ lastState: { terminated: { message } } }] } } as unknown as Pod),
}); // prettier-ignore

const members = (...views: MemberView[]): MemberView[] =>
  observed().members.map((m) => views.find((v) => v.name === m.name) ?? m);

const broken: SecretState = {
  need: { name: 'orders-tls-server', side: 'client', leaves: [], extra: {} },
  secret: undefined,
  foreign: undefined,
  problem: 'missing',
  notAfter: undefined,
}; // prettier-ignore

const claimOf = (genesis: string, formed: boolean, i = 0): PersistentVolumeClaim => ({
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
}); // prettier-ignore

interface Row {
  sentence: string;
  seen: Observed;
  action?: string;
  reason?: string;
  finding?: string;
  kind?: string;
}

const missing = { ...same(renderStatefulSet(cluster, identity)), live: undefined };
const wrongFiles = observed({ phase: 'Sealing' }).members.map((m) => ({ ...m, servedFiles: 'urn:quorate:files:old' }));
const unmarked = (phase: Identity['phase']): ChildState[] => [
  ...renderClaims(cluster, { ...identity, phase }).map(same),
  same(renderStatefulSet(cluster, { ...identity, phase })),
];

const unformed = ({ metadata }: KubeObject): Record<string, string> => {
  const { [ANNOTATIONS.formed]: _, ...rest } = metadata.annotations ?? {};
  return rest;
};
/** As made that many seconds ago. */
const madeAt = (c: ChildState, seconds: number): ChildState => {
  const creationTimestamp = new Date(now.getTime() - seconds * 1000).toISOString();
  const { live } = c;
  return live === undefined ? c : { ...c, live: { ...live, metadata: { ...live.metadata, creationTimestamp } } };
};
/** The child of this name without what tells whose data it holds. */
const bare = (c: ChildState, name: string): ChildState =>
  c.live?.metadata.name === name ? { ...c, live: { ...c.live, metadata: { ...c.live.metadata, annotations: {} } } } : c;
const otherStorage = (storageClassName: string): Identity => ({
  ...identity,
  formation: formationOf({ ...spec, storage: { ...spec.storage, storageClassName } }),
});

const rows: Row[] = [
  { sentence: 'a healthy cluster needs nothing', seen: observed() },
  {
    sentence: 'a cluster nobody has seen before is given an identity first',
    seen: observed({ identity: undefined, config: undefined, pods: [], recovered: { kind: 'none' } }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'claims of a formed cluster bring its identity back, sealed',
    seen: observed({
      identity: undefined,
      config: undefined,
      recovered: { kind: 'identity', from: 'claims', identity },
    }),
    action: 'RecordIdentity',
    reason: 'DataAdopted',
  },
  {
    sentence: 'claims of two clusters are never mixed',
    seen: observed({ identity: undefined, recovered: { kind: 'refused', message: 'two' } }),
    finding: 'MixedData',
    kind: 'blocked',
  },
  {
    sentence: 'a formed cluster without record and claims is never bootstrapped again',
    seen: observed({
      identity: undefined,
      recovered: { kind: 'none' },
      cluster: { ...cluster, status: { genesis: 'x' } } as unknown as EtcdCluster,
    }),
    finding: 'IdentityLost',
    kind: 'blocked',
  },
  {
    sentence: 'a ConfigMap of somebody else is never taken over',
    seen: observed({ configForeign: 'stranger', identity: undefined }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'objects of the deleted cluster of this name are waited for',
    seen: observed({ configForeign: 'predecessor', identity: undefined }),
    finding: 'WaitingForDeletion',
    kind: 'progress',
  },
  {
    sentence: 'a spec corrected before the cluster was formed is taken by forming it anew',
    seen: observed({ phase: 'Open', spec: { ...spec, replicas: 1 } }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'an edit that is not built yet is reported, and nothing is done',
    seen: observed({ spec: { ...spec, replicas: 5 } }),
    finding: 'UnsupportedChange',
    kind: 'blocked',
  },
  {
    sentence: 'a default that we work out differently than when the cluster was formed is no edit',
    seen: observed({ spec: { ...spec, etcd: { ...spec.etcd, quota: '200Mi' } } }),
  },
  {
    sentence: 'a lost authority is never minted again',
    seen: observed({
      authorities: observed().authorities.map((a) =>
        a.side === 'peer' ? { ...a, secret: undefined, fingerprint: undefined } : a,
      ),
    }),
    finding: 'AuthorityLost',
    kind: 'blocked',
  },
  {
    sentence: 'a swapped authority is not used',
    seen: observed({ authorities: observed().authorities.map((a) => ({ ...a, fingerprint: 'X' })), secrets: [broken] }),
    finding: 'AuthorityReplaced',
    kind: 'blocked',
  },
  { sentence: 'a missing leaf is issued', seen: observed({ secrets: [broken] }), action: 'WriteSecrets' },
  {
    sentence: 'a StatefulSet deleted by hand is put back',
    seen: observed({ children: [...observed().children.slice(0, 3), missing] }),
    action: 'PutChildren',
    reason: 'ChildrenRestored',
  },
  {
    sentence: 'for a pod that is missing the StatefulSet controller is asked to look again',
    seen: observed({ pods: [pod(0), pod(2)], children: observed().children.map((c) => madeAt(c, 6)) }),
    action: 'NudgeStatefulSet',
  },
  {
    sentence: 'but not at once',
    seen: observed({ pods: [pod(0), pod(2)], children: observed().children.map((c) => madeAt(c, 4)) }),
  },
  {
    sentence: 'the StatefulSet is not made before the certificates exist',
    seen: observed({ phase: 'Open', secrets: [broken], children: [missing] }),
    action: 'WriteSecrets',
  },
  {
    sentence: 'a claim of a formed cluster that is gone is not made anew',
    seen: observed({
      children: observed().children.map((c) =>
        c.child.desired.metadata.name === 'data-orders-1' ? { ...c, live: undefined } : c,
      ),
    }),
    finding: 'ClaimLost',
    kind: 'blocked',
  },
  {
    sentence: 'the mark that a claim holds a formed cluster is put back when somebody takes it off',
    seen: observed({
      children: observed().children.map((c) => ({
        ...c,
        live: c.live && { ...c.live, metadata: { ...c.live.metadata, annotations: unformed(c.live) } },
      })),
    }),
    action: 'PutChildren',
    reason: 'ChildrenRestored',
  },
  {
    sentence: 'an empty claim that the StatefulSet controller made in place of a lost one is not taken for the data',
    seen: observed({ children: observed().children.map((c) => bare(c, 'data-orders-1')) }),
    finding: 'ClaimLost',
    kind: 'blocked',
  },
  {
    sentence: 'while nothing is formed, a claim that the StatefulSet controller made first is as good as ours',
    seen: observed({ phase: 'Open', children: unmarked('Open').map((c) => bare(c, 'data-orders-1')) }),
    action: 'PutChildren',
    reason: 'ChildrenRestored',
  },
  {
    sentence: 'a StatefulSet whose template of claims is outdated is made again, before the claims',
    seen: observed({
      phase: 'Open',
      children: unmarked('Open').map((c) =>
        c.child.resource.kind === 'StatefulSet'
          ? { ...c, live: renderStatefulSet(cluster, otherStorage('nope')).desired }
          : { ...c, live: undefined },
      ),
      claims: [claimOf('feed', false)],
    }),
    action: 'ReplaceStatefulSet',
  },
  {
    sentence: 'an edit in the last step before it counts as formed waits until it does',
    seen: observed({
      phase: 'Sealing',
      spec: { ...spec, replicas: 1 },
      claims: [claimOf(identity.genesis, true)],
      children: unmarked('Sealing'),
    }),
    action: 'PutChildren',
    reason: 'ClaimsMarked',
  },
  {
    sentence: 'an unbound claim of an earlier attempt is made again, whatever it asks for',
    seen: observed({ phase: 'Open', claims: [claimOf('feed', false)] }),
    action: 'ReplaceClaims',
  },
  {
    sentence: 'an unbound claim of an unfinished formation follows a corrected StorageClass',
    seen: observed({
      phase: 'Open',
      spec: { ...spec, storage: { ...spec.storage, storageClassName: 'fast' } },
      identity: {
        ...identity,
        phase: 'Open',
        formation: formationOf({ ...spec, storage: { ...spec.storage, storageClassName: 'fast' } }),
      },
      claims: [claimOf(identity.genesis, false)],
    }),
    action: 'ReplaceClaims',
  },
  {
    sentence: 'a claim that holds a formed cluster is never deleted',
    seen: observed({ claims: [claimOf(identity.genesis, true)] }),
  },
  {
    sentence: 'pods of an earlier attempt go before the new one starts',
    seen: observed({ phase: 'Open', pods: [pod(0, 'ffff')] }),
    action: 'DeletePods',
  },
  {
    sentence: 'a disruption budget waits until there are members to protect',
    seen: observed({ phase: 'Open', children: [...observed({ phase: 'Open' }).children, noBudget] }),
    action: 'RecordIdentity',
    reason: 'Sealing',
  },
  {
    sentence: 'a disruption budget of an earlier attempt that somebody edited is put back all the same',
    seen: observed({
      phase: 'Open',
      children: [
        ...observed({ phase: 'Open' }).children,
        { ...noBudget, live: { ...noBudget.child.desired, spec: { minAvailable: 0 } } as KubeObject },
      ],
    }),
    action: 'PutChildren',
    reason: 'ChildrenRestored',
  },
  {
    sentence: 'a disruption budget is made as soon as the members are sealed',
    seen: observed({ phase: 'Sealing', children: [...observed({ phase: 'Sealing' }).children, noBudget] }),
    action: 'PutChildren',
    reason: 'ChildrenCreated',
  },
  {
    sentence: 'members that have not all started are waited for',
    seen: observed({ phase: 'Open', members: members(down(2)) }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'when all have started, the seal is decided',
    seen: observed({ phase: 'Open' }),
    action: 'RecordIdentity',
    reason: 'Sealing',
  },
  {
    sentence: 'pods that may not have the sealed files are made to look again',
    seen: observed({ phase: 'Sealing', members: wrongFiles, now: new Date(now.getTime() + 2_000) }),
    action: 'RefreshMounts',
  },
  {
    sentence: 'nobody is bothered again so soon',
    seen: observed({ phase: 'Sealing', members: wrongFiles }),
    finding: 'Sealing',
    kind: 'progress',
  },
  {
    sentence: 'as soon as the files are sealed every kubelet is told, before anybody is asked',
    seen: observed({ phase: 'Sealing', pods: [0, 1, 2].map((i) => pod(i)), members: [] }),
    action: 'RefreshMounts',
  },
  {
    sentence: 'without a quorum nothing counts as formed',
    seen: observed({
      phase: 'Sealing',
      quorum: { read: false, clusterId: undefined, members: undefined, error: 'x' },
      children: unmarked('Sealing'),
    }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'the claims are marked before the cluster counts as formed',
    seen: observed({ phase: 'Sealing', children: unmarked('Sealing') }),
    action: 'PutChildren',
    reason: 'ClaimsMarked',
  },
  {
    sentence: 'sealed, proven and marked is formed',
    seen: observed({ phase: 'Sealing' }),
    action: 'RecordIdentity',
    reason: 'Formed',
  },
  {
    sentence: 'a member that is down is progress: it comes back by itself',
    seen: observed({ members: members(down(1)) }),
    finding: 'MemberUnhealthy',
    kind: 'progress',
  },
  {
    sentence: 'a member that lost its data is said to have lost it',
    seen: observed({
      members: members(down(1, '{"msg":"discovery failed","error":"cannot fetch cluster info from peer urls: x"}')),
    }),
    finding: 'MemberDataLost',
    kind: 'blocked',
  },
  {
    sentence: 'what the spec asks for no longer is removed',
    seen: observed({ obsolete: [{ resource: secrets, name: 'orders-client-old' }] }),
    action: 'DeleteObsolete',
  },
  {
    sentence: 'paused: what would be done is said, and not done',
    seen: observed({ secrets: [broken], spec: { ...spec, paused: true } }),
    finding: 'Paused',
    kind: 'paused',
  },
]; // prettier-ignore

describe('plan', () => {
  for (const { sentence, seen, action, reason, finding, kind } of rows) {
    it(sentence, () => {
      const { step, findings } = plan(seen);
      expect(step?.action).toBe(action);
      if (reason !== undefined) expect(step?.reason).toBe(reason);
      expect(findings[0]?.reason).toBe(finding);
      expect(findings[0]?.kind).toBe(kind);
    });
  }
});
