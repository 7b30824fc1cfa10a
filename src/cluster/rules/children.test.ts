// SPDX-License-Identifier: Apache-2.0
// Objects of a cluster: made, put back, made anew only while nothing is lost by it.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../../api/names.ts';
import type { KubeObject } from '../../runtime/json.ts';
import { type PersistentVolumeClaim, secrets } from '../../runtime/resources.ts';
import {
  allSealed,
  bound,
  broken,
  claimOf,
  cluster,
  down,
  expected,
  identity,
  members,
  now,
  observed,
  outcome,
  pod,
  type Row,
  same,
  spec,
  stray,
  unmarked,
  unsealed,
} from '../fixtures.ts';
import { formationOf } from '../formation.ts';
import type { Identity } from '../identity.ts';
import type { ChildState } from '../observed.ts';
import { plan } from '../plan.ts';
import { renderBudget } from '../render/policies.ts';
import { renderStatefulSet } from '../render/statefulset.ts';
import { wantsWrite } from './children.ts';

const noBudget: ChildState = {
  child: renderBudget(cluster, identity)[0] as ChildState['child'],
  live: undefined,
  foreign: undefined,
};

const missing = { ...same(renderStatefulSet(cluster, identity)), live: undefined };

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

/** In place of the claim of its name. */
const leftBehind = (claim: PersistentVolumeClaim) => ({
  claims: [claim],
  children: unmarked(unsealed).map((c) => (c.live?.metadata.name === claim.metadata.name ? { ...c, live: claim } : c)),
});

const leaving = (claim: PersistentVolumeClaim): PersistentVolumeClaim => ({
  ...claim,
  metadata: { ...claim.metadata, deletionTimestamp: '2026-11-23T09:59:00Z' },
});

const cloned = { metadata: { ...claimOf('feed', false).metadata, name: 'data-orders-0-clone' } };

/** A claim of a formed cluster is in its place that is not the one it was formed with. */
const robbed = (live: KubeObject | undefined, foreign?: 'stranger') =>
  observed({
    children: observed().children.map((c) =>
      c.child.desired.metadata.name === 'data-orders-1' ? { ...c, live, foreign } : c,
    ),
  });
const refused = { pods: [pod(0), pod(2)], podsRefused: 'exceeded quota', members: members(down(1)) };

const rows: Row[] = [
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
    sentence: 'while the API server refuses a pod, it is asked for more seldom',
    seen: observed({ ...refused, children: observed().children.map((c) => madeAt(c, 29)) }),
    finding: 'PodsRefused',
    kind: 'blocked',
  },
  {
    sentence: 'but it is, so that a pod comes soon when nothing stands against it any more',
    seen: observed({ ...refused, children: observed().children.map((c) => madeAt(c, 31)) }),
    action: 'NudgeStatefulSet',
    finding: 'PodsRefused',
    kind: 'blocked',
  },
  {
    sentence: 'a foreign client Secret does not keep a StatefulSet from being put back',
    seen: observed({ secrets: [stray('orders-client-app')], children: [...observed().children.slice(0, 3), missing] }),
    action: 'PutChildren',
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'nor does another foreign object',
    seen: observed({
      children: [...observed().children.slice(0, 3), { ...noBudget, foreign: 'stranger' }, missing],
    }),
    action: 'PutChildren',
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'but no pod is made that would mount what is somebody else’s',
    seen: observed({ secrets: [stray('orders-tls-server')], children: [...observed().children.slice(0, 3), missing] }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'before a cluster is formed a foreign object stops everything',
    seen: observed({ identity: unsealed, secrets: [stray('orders-tls-operator'), broken] }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'what a deleted cluster of the name left is waited for',
    seen: observed({
      children: [...observed().children.slice(0, 3), { ...noBudget, foreign: 'predecessor' }, missing],
    }),
    finding: 'WaitingForDeletion',
    kind: 'progress',
  },
  {
    sentence: 'but not at once',
    seen: observed({ pods: [pod(0), pod(2)], children: observed().children.map((c) => madeAt(c, 4)) }),
  },
  {
    sentence: 'the StatefulSet is not made before the certificates exist',
    seen: observed({ identity: unsealed, secrets: [broken], children: [missing] }),
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
    sentence: 'a claim of another attempt in its place is not marked as the data',
    seen: robbed(claimOf('feed', false, 1)),
    finding: 'ClaimLost',
    kind: 'blocked',
  },
  {
    sentence: 'a claim that somebody made by hand is told how it becomes the data, instead of being in the way',
    seen: robbed({ metadata: { name: 'data-orders-1' } }, 'stranger'),
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
    seen: observed({ identity: unsealed, children: unmarked(unsealed).map((c) => bare(c, 'data-orders-1')) }),
    action: 'PutChildren',
    reason: 'ChildrenRestored',
  },
  {
    sentence: 'a StatefulSet whose template of claims is outdated is made again, before the claims',
    seen: observed({
      identity: unsealed,
      children: unmarked(unsealed).map((c) =>
        c.child.resource.kind === 'StatefulSet'
          ? { ...c, live: renderStatefulSet(cluster, otherStorage('nope')).desired }
          : { ...c, live: undefined },
      ),
      claims: [claimOf('feed', false)],
    }),
    action: 'ReplaceStatefulSet',
  },
  {
    sentence: 'an unbound claim of an earlier attempt is made again, whatever it asks for',
    seen: observed({ identity: unsealed, claims: [claimOf('feed', false)] }),
    action: 'ReplaceClaims',
  },
  {
    sentence: 'an unbound claim of an unfinished formation follows a corrected StorageClass',
    seen: observed({
      spec: { ...spec, storage: { ...spec.storage, storageClassName: 'fast' } },
      identity: {
        ...unsealed,
        formation: formationOf({ ...spec, storage: { ...spec.storage, storageClassName: 'fast' } }),
      },
      claims: [claimOf(identity.genesis, false)],
    }),
    action: 'ReplaceClaims',
  },
  {
    sentence: 'a bound claim of an earlier attempt goes',
    seen: observed({ identity: unsealed, ...leftBehind(bound(claimOf('feed', false), '09:30')) }),
    action: 'ReplaceClaims',
    reason: 'ClaimsReplaced',
  },
  {
    sentence: 'what is being deleted already is waited for',
    seen: observed({ identity: unsealed, ...leftBehind(leaving(bound(claimOf('feed', false), '09:30'))) }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a volume from before the EtcdCluster that is not as asked is neither used nor deleted',
    seen: observed({ identity: unsealed, ...leftBehind(bound(claimOf('feed', false), '08:00')) }),
    finding: 'ClaimUnfit',
    kind: 'blocked',
  },
  {
    sentence: 'a claim of another name is not ours to delete, whatever its label says',
    seen: observed({ identity: unsealed, claims: [{ ...claimOf('feed', false), metadata: cloned.metadata }] }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a claim that holds a formed cluster is never deleted',
    seen: observed({ claims: [claimOf(identity.genesis, true)] }),
  },
  {
    sentence: 'a disruption budget waits until there are members to protect',
    seen: observed({ identity: unsealed, children: [...observed({ identity: unsealed }).children, noBudget] }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a disruption budget of an earlier attempt that somebody edited is put back all the same',
    seen: observed({
      identity: unsealed,
      children: [
        ...observed({ identity: unsealed }).children,
        { ...noBudget, live: { ...noBudget.child.desired, spec: { minAvailable: 0 } } as KubeObject },
      ],
    }),
    action: 'PutChildren',
    reason: 'ChildrenRestored',
  },
  {
    sentence: 'a disruption budget is made as soon as the members are sealed',
    seen: observed({ identity: allSealed, children: [...observed({ identity: allSealed }).children, noBudget] }),
    action: 'PutChildren',
    reason: 'ChildrenCreated',
  },
  {
    sentence: 'what the spec asks for no longer is removed',
    seen: observed({ obsolete: [{ resource: secrets, name: 'orders-client-old' }] }),
    action: 'DeleteObsolete',
  },
];

describe('an object', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});

describe('a claim that an earlier attempt left', () => {
  const as = (claim: PersistentVolumeClaim) => ({ ...claim, spec: { ...claim.spec, accessModes: ['ReadWriteOnce'] } });
  it.each([
    ['our own goes first', bound(as(claimOf('feed', false)), '09:30'), false],
    ['an older one that is not as asked goes first', bound(claimOf('feed', false), '08:00'), false],
    ['an older one that is as asked is ours now', bound(as(claimOf('feed', false)), '08:00'), true],
  ])('is marked as ours only if it stays: %s', (_, claim, marked) => {
    const seen = observed({ identity: unsealed, ...leftBehind(claim) });
    const child = seen.children.find((c) => c.live === claim) as ChildState;
    expect(wantsWrite(seen, child)).toBe(marked);
  });
});

describe('a lost claim', () => {
  it.each([
    ['that is gone', undefined],
    ['that was made anew', claimOf('feed', false, 1)],
  ])('%s is told with the marks that bring it back, as the record has them', (_, live) => {
    const [found] = plan(robbed(live)).findings;
    expect(found?.message).toContain(
      'kubectl annotate pvc -n shop data-orders-1 --overwrite etcd.quorate.dev/genesis=00112233aabbccdd etcd.quorate.dev/incarnation=00000001',
    );
  });
});
