// SPDX-License-Identifier: Apache-2.0
// The claims of a cluster: made anew while nothing is lost by it, and told with how the data comes back once there is some.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../../api/names.ts';
import type { KubeObject } from '../../runtime/json.ts';
import type { PersistentVolumeClaim } from '../../runtime/resources.ts';
import {
  bound,
  claimOf,
  cluster,
  expected,
  identity,
  leaving,
  observed,
  outcome,
  type Row,
  same,
  spec,
  unmarked,
  unsealed,
} from '../fixtures.ts';
import { formationOf } from '../formation.ts';
import type { ChildState, Observed } from '../observed.ts';
import { plan } from '../plan.ts';
import { renderStatefulSet } from '../render/statefulset.ts';
import { wantsWrite } from './children.ts';

const unformed = ({ metadata }: KubeObject): Record<string, string> => {
  const { [ANNOTATIONS.formed]: _, ...rest } = metadata.annotations ?? {};
  return rest;
};

/** The child of this name without what tells whose data it holds. */
const bare = (c: ChildState, name: string): ChildState =>
  c.live?.metadata.name === name ? { ...c, live: { ...c.live, metadata: { ...c.live.metadata, annotations: {} } } } : c;

/** In place of the claim of its name. */
const leftBehind = (claim: PersistentVolumeClaim) => ({
  claims: [claim],
  children: unmarked(unsealed).map((c) => (c.live?.metadata.name === claim.metadata.name ? { ...c, live: claim } : c)),
});

const cloned = { metadata: { ...claimOf('feed', false).metadata, name: 'data-orders-0-clone' } };

const isSecond = (c: ChildState) => c.child.desired.metadata.name === 'data-orders-1';

/** A claim of a formed cluster is in its place that is not the one it was formed with. */
const robbed = (live: KubeObject | undefined, foreign?: 'stranger') =>
  observed({ children: observed().children.map((c) => (isSecond(c) ? { ...c, live, foreign } : c)) });

/** The second claim of a formed cluster, as somebody has changed it. */
const changed = (change: (claim: PersistentVolumeClaim) => KubeObject) =>
  observed({
    children: observed().children.map((c) =>
      isSecond(c) && c.live !== undefined ? { ...c, live: change(c.live as PersistentVolumeClaim) } : c,
    ),
  });

/** Its StatefulSet is gone as well. */
const setless = ({ children, ...rest }: Observed): Observed => {
  const set = { ...same(renderStatefulSet(cluster, identity)), live: undefined };
  return { ...rest, children: [...children.filter((c) => c.child.resource.kind !== 'StatefulSet'), set] };
};

const rows: Row[] = [
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
    sentence: 'a claim that somebody grew is left as it is',
    seen: changed((claim) => ({
      ...claim,
      spec: { ...claim.spec, resources: { requests: { storage: '2Gi' } }, volumeName: 'pv' },
    })),
  },
  {
    sentence: 'a claim of a formed cluster that is being deleted is told, and not written',
    seen: changed((claim) => leaving({ ...claim, metadata: { ...claim.metadata, labels: {} } })),
    finding: 'ClaimLost',
    kind: 'blocked',
  },
  {
    sentence: 'a lost claim does not keep the StatefulSet from being put back for the other members',
    seen: setless(robbed(undefined)),
    action: 'PutChildren',
    finding: 'ClaimLost',
    kind: 'blocked',
  },
  {
    sentence: 'but no pod is made that would mount a volume of somebody else',
    seen: setless(robbed({ metadata: { name: 'data-orders-1' } }, 'stranger')),
    finding: 'ClaimLost',
    kind: 'blocked',
  },
  {
    sentence: 'that is being deleted is told also while something else is put back',
    seen: observed({
      children: observed().children.map((c) => {
        if (isSecond(c) && c.live !== undefined) return { ...c, live: leaving(c.live) };
        return c.child.desired.metadata.name === 'data-orders-0' && c.live !== undefined
          ? { ...c, live: { ...c.live, metadata: { ...c.live.metadata, labels: {} } } }
          : c;
      }),
    }),
    action: 'PutChildren',
    finding: 'ClaimLost',
    kind: 'blocked',
  },
  {
    sentence: 'before a cluster is formed a claim of somebody else stops everything',
    seen: observed({
      identity: unsealed,
      children: unmarked(unsealed).map((c) => {
        if (isSecond(c)) return { ...c, live: { metadata: { name: 'data-orders-1' } }, foreign: 'stranger' as const };
        return c.child.resource.kind === 'StatefulSet' ? { ...c, live: undefined } : c;
      }),
    }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
];

describe('a claim', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});

it('a claim of a formed cluster that was not found is to be kept', () => {
  const live = claimOf('feed', true, 1);
  const stray = unmarked(unsealed).map((c) => (isSecond(c) ? { ...c, live, foreign: 'stranger' as const } : c));
  const [finding] = plan(observed({ identity: unsealed, children: stray })).findings;
  expect(finding).toMatchObject({
    reason: 'NameConflict',
    message: expect.stringMatching(/formed cluster \(genesis feed\): keep it/),
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
  it.each<[string, Observed, RegExp]>([
    ['is gone', robbed(undefined), /^the claim data-orders-1 is gone, /],
    [
      'was made anew',
      robbed(claimOf('feed', false, 1)),
      /^the claim data-orders-1 is not the one that the cluster was/,
    ],
    ['is about to go', changed(leaving), /^the claim data-orders-1 is being deleted and goes with its pod \(set its /],
  ])('that %s says so', (_, seen, says) => {
    expect(plan(seen).findings[0]?.message).toMatch(says);
  });

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
