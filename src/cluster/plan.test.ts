// SPDX-License-Identifier: Apache-2.0
// What is done next, and what is said when nothing is.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../api/cluster.ts';
import type { KubeObject } from '../runtime/json.ts';
import { broken, cluster, down, expected, members, observed, outcome, type Row, spec, stray } from './fixtures.ts';
import type { ChildState } from './observed.ts';
import { objectStep, plan } from './plan.ts';
import type { Step } from './rules/rule.ts';

/** No read has succeeded for a minute, and nobody answers. */
const lost = {
  cluster: {
    ...cluster,
    status: { conditions: [{ type: 'Available', status: 'False', lastTransitionTime: '2026-11-23T09:59:00Z' }] },
  } as unknown as EtcdCluster,
  members: members(down(0), down(1), down(2)),
  quorum: { read: false, clusterId: undefined, members: undefined, error: 'x' },
};
const paused = { ...spec, paused: true };

const unlabelled = ({ live }: ChildState) => ({ ...live, metadata: { ...live?.metadata, labels: {} } }) as KubeObject;

const rows: Row[] = [
  { sentence: 'a healthy cluster needs nothing', seen: observed() },
  {
    sentence: 'an edit that is not built yet is reported, and nothing is done',
    seen: observed({ spec: { ...spec, replicas: 5 } }),
    finding: 'UnsupportedChange',
    kind: 'blocked',
  },
  {
    sentence: 'a member that lost its data is told before an edit that is not built yet',
    seen: observed({
      spec: { ...spec, replicas: 5 },
      members: members(down(1, '{"msg":"discovery failed","error":"cannot fetch cluster info from peer urls: x"}')),
    }),
    finding: 'MemberDataLost',
    kind: 'blocked',
  },
  {
    sentence: 'a default that we work out differently than when the cluster was formed is no edit',
    seen: observed({ spec: { ...spec, quota: '200Mi' } }),
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
    sentence: 'paused: what would be done is said, and not done',
    seen: observed({ secrets: [broken], spec: { ...spec, paused: true } }),
    finding: 'Paused',
    kind: 'paused',
  },
  {
    sentence: 'paused with something to do, a lost quorum is told all the same, and before it',
    seen: observed({ ...lost, secrets: [broken], spec: paused }),
    finding: 'QuorumLost',
    kind: 'blocked',
  },
  {
    sentence: 'a lost quorum is told before a foreign object and a lost authority',
    seen: observed({
      ...lost,
      secrets: [stray('orders-client-app')],
      authorities: observed().authorities.map((a) => ({ ...a, secret: undefined, fingerprint: undefined })),
    }),
    finding: 'QuorumLost',
    kind: 'blocked',
  },
  {
    sentence: 'lost data is told before a foreign object',
    seen: observed({
      secrets: [stray('orders-client-app')],
      members: members(down(1, '{"error":"cannot fetch cluster info from peer urls: x"}')),
    }),
    finding: 'MemberDataLost',
    kind: 'blocked',
  },
  {
    sentence: 'a quorum that is away for a moment is told after what somebody has to see to',
    seen: observed({
      members: lost.members,
      quorum: lost.quorum,
      secrets: [stray('orders-client-app')],
    }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'paused with something to do, what comes by itself is told after the pause',
    seen: observed({ members: members(down(1)), secrets: [broken], spec: paused }),
    finding: 'Paused',
    kind: 'paused',
  },
  {
    sentence: 'a spec that cannot be meant is told, and what is missing is put back all the same',
    seen: observed({ secrets: [broken], specFailure: { ok: false, field: 'spec.version', message: 'is too old' } }),
    action: 'WriteSecrets',
    finding: 'InvalidSpec',
    kind: 'blocked',
  },
];

describe('plan', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });

  it('has something to do with objects alone, and nothing while it is paused', () => {
    expect(objectStep(observed({ secrets: [broken] }))).toMatchObject({ action: 'WriteSecrets' });
    expect(objectStep(observed({ secrets: [broken], spec: paused }))).toBeUndefined();
  });

  it('goes on past a step that is held, and keeps what its rule found', () => {
    const gone = observed().children.map((c) =>
      c.child.resource.kind === 'StatefulSet' ? { ...c, live: undefined } : c,
    );
    const o = observed({ secrets: [stray('orders-client-app'), broken], children: gone });
    const first = plan(o).step;
    expect(first).toMatchObject({ action: 'WriteSecrets' });
    const held = (step: Step) => step.message === first?.message;
    expect(plan(o, held)).toMatchObject({ step: { action: 'PutChildren' }, findings: [{ reason: 'NameConflict' }] });
    expect(objectStep(o, held)).toMatchObject({ action: 'PutChildren' });
    expect(plan(o, () => true).step).toBeUndefined();
  });

  it('mends the rest beside a StatefulSet that cannot be replaced, and leaves that as it is', () => {
    const fixed = (c: ChildState) => ({ ...c, live: { ...c.live, spec: { serviceName: 'other' } } as never });
    const children = observed().children.map((c) => {
      if (c.child.resource.kind === 'StatefulSet') return fixed(c);
      return c.child.desired.metadata.name === 'data-orders-1' ? { ...c, live: unlabelled(c) } : c;
    });
    const o = observed({ children });
    expect(plan(o).step).toMatchObject({ action: 'ReplaceStatefulSet' });
    const next = plan(o, ({ action }) => action === 'ReplaceStatefulSet').step;
    expect(next).toMatchObject({
      action: 'PutChildren',
      children: [{ child: { resource: { kind: 'PersistentVolumeClaim' } } }],
    });
    expect(plan(o, ({ action }) => action !== 'NudgeStatefulSet').step).toBeUndefined();
  });

  it('goes on past a foreign client Secret, and tells of it beside what it does and what is down', () => {
    const { step, findings } = plan(
      observed({ secrets: [stray('orders-client-app'), broken], members: members(down(1)) }),
    );
    expect(step).toMatchObject({ action: 'WriteSecrets', secrets: [broken] });
    expect(findings.map((f) => f.reason)).toEqual(['NameConflict', 'MemberUnhealthy']);
  });
});
