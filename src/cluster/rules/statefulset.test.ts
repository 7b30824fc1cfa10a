// SPDX-License-Identifier: Apache-2.0
// The StatefulSet of a cluster: when it is made, put back or made anew, and when its controller is asked for a pod.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../../api/names.ts';
import type { KubeObject } from '../../runtime/json.ts';
import {
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
import { renderStatefulSet } from '../render/statefulset.ts';

const missing = { ...same(renderStatefulSet(cluster, identity)), live: undefined };

/** As made that many seconds ago, with these annotations. */
const madeAt = (c: ChildState, seconds: number, annotations = {}): ChildState => {
  const creationTimestamp = new Date(now.getTime() - seconds * 1000).toISOString();
  const { live } = c;
  if (live === undefined) return c;
  const all = { ...live.metadata.annotations, ...annotations };
  return { ...c, live: { ...live, metadata: { ...live.metadata, creationTimestamp, annotations: all } } };
};

/** A pod is missing; the StatefulSet is an hour old, and its controller was asked at that time. */
const askedAt = (lookedFor: string) => ({
  pods: [pod(0), pod(2)],
  children: observed().children.map((c) =>
    c.child.resource.kind === 'StatefulSet' ? madeAt(c, 3600, { [ANNOTATIONS.lookedFor]: lookedFor }) : c,
  ),
});
/** The same, while the controller says that there are so many pods. */
const counting = (lookedFor: string, replicas: number) => {
  const { pods, children } = askedAt(lookedFor);
  const counts = (c: ChildState): ChildState =>
    c.live === undefined || c.child.resource.kind !== 'StatefulSet'
      ? c
      : { ...c, live: { ...c.live, status: { replicas } } as KubeObject };
  return { pods, children: children.map(counts) };
};
const secondsAgo = (seconds: number) => new Date(now.getTime() - seconds * 1000).toISOString();

const otherStorage = (storageClassName: string): Identity => ({
  ...identity,
  formation: formationOf({ ...spec, storage: { ...spec.storage, storageClassName } }),
});

/** The StatefulSet as it is there, in place of the one that is wanted. */
const setIs = (live: KubeObject, foreign?: ChildState['foreign']): ChildState[] =>
  observed().children.map((c) => (c.child.resource.kind === 'StatefulSet' ? { ...c, live, foreign } : c));
const outdated = renderStatefulSet(cluster, otherStorage('nope')).desired;
const scaled = { ...renderStatefulSet(cluster, identity).desired, spec: { replicas: 1 } } as KubeObject;
const going = (o: KubeObject): KubeObject => ({
  ...o,
  metadata: { ...o.metadata, deletionTimestamp: '2026-11-23T09:59:00Z' },
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
    sentence: 'but no pod is made that would mount what is somebody else’s',
    seen: observed({ secrets: [stray('orders-tls-server')], children: [...observed().children.slice(0, 3), missing] }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'but not at once after it was made',
    seen: observed({ pods: [pod(0), pod(2)], children: observed().children.map((c) => madeAt(c, 4)) }),
  },
  {
    sentence: 'the StatefulSet is not made before the certificates exist',
    seen: observed({ identity: unsealed, secrets: [broken], children: [missing] }),
    action: 'WriteSecrets',
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
    sentence: 'one of a formed cluster too',
    seen: observed({ children: setIs(outdated) }),
    action: 'ReplaceStatefulSet',
  },
  {
    sentence: 'but not one that is being deleted already',
    seen: observed({ children: setIs(going(outdated)) }),
  },
  {
    sentence: 'nor while its pods would mount what is somebody else’s',
    seen: observed({ children: setIs(outdated), secrets: [stray('orders-tls-peer')] }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'an edited StatefulSet that is being deleted is left to go',
    seen: observed({ children: setIs(going(scaled)) }),
  },
  {
    sentence: 'a StatefulSet of somebody else is told and never written, whatever it is like',
    seen: observed({ children: setIs(outdated, 'stranger') }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'nor is it asked for pods',
    seen: observed({
      pods: [],
      children: setIs({ metadata: { name: 'orders', creationTimestamp: secondsAgo(3600) } }, 'stranger'),
    }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'its controller is not asked for a pod again so soon',
    seen: observed(askedAt(secondsAgo(5))),
  },
  {
    sentence: 'but after a few seconds',
    seen: observed(askedAt(secondsAgo(5.001))),
    action: 'NudgeStatefulSet',
  },
  {
    sentence: 'nor before half a minute while its controller counts all pods, of which we do not see one',
    seen: observed(counting(secondsAgo(29), 3)),
  },
  {
    sentence: 'but then it is',
    seen: observed(counting(secondsAgo(31), 3)),
    action: 'NudgeStatefulSet',
  },
  {
    sentence: 'one that counts fewer is asked as soon as ever',
    seen: observed(counting(secondsAgo(6), 2)),
    action: 'NudgeStatefulSet',
  },
  {
    sentence: 'and whatever somebody wrote in place of when it was',
    seen: observed(askedAt('soon')),
    action: 'NudgeStatefulSet',
  },
];

describe('the StatefulSet', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});
