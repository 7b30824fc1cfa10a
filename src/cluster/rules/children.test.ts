// SPDX-License-Identifier: Apache-2.0
// Objects of a cluster but its claims and its StatefulSet: made, put back, removed, and never taken over.
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../runtime/json.ts';
import { secrets } from '../../runtime/resources.ts';
import {
  allSealed,
  broken,
  cluster,
  expected,
  identity,
  observed,
  outcome,
  type Row,
  same,
  spec,
  stray,
  unsealed,
} from '../fixtures.ts';
import type { ChildState } from '../observed.ts';
import { renderBudget } from '../render/policies.ts';
import { renderServices } from '../render/services.ts';
import { renderStatefulSet } from '../render/statefulset.ts';

const noBudget: ChildState = {
  child: renderBudget(cluster, identity)[0] as ChildState['child'],
  live: undefined,
  foreign: undefined,
};

const missing = { ...same(renderStatefulSet(cluster, identity)), live: undefined };

/** The Service as somebody edited it, while it is about to go. */
const leavingService = (): ChildState => {
  const [child] = renderServices(cluster, spec, identity);
  if (child === undefined) throw new Error('a cluster has Services');
  const metadata = { ...child.desired.metadata, deletionTimestamp: '2026-11-23T09:59:00Z', labels: {} };
  return { child, live: { ...child.desired, metadata }, foreign: undefined };
};

const rows: Row[] = [
  {
    sentence: 'of somebody else does not keep the StatefulSet of a formed cluster from being put back',
    seen: observed({
      children: [...observed().children.slice(0, 3), { ...noBudget, foreign: 'stranger' }, missing],
    }),
    action: 'PutChildren',
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
    sentence: 'that is missing while nothing is formed is made',
    seen: observed({
      identity: unsealed,
      children: [...observed({ identity: unsealed }).children, { ...leavingService(), live: undefined }],
    }),
    action: 'PutChildren',
    reason: 'ChildrenCreated',
  },
  {
    sentence: 'that is being deleted is left to go, and made again when it is gone',
    seen: observed({ children: [...observed().children, leavingService()] }),
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
