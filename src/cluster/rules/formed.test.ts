// SPDX-License-Identifier: Apache-2.0
// The last steps before a cluster counts as formed: only its very members, all of them, in one cluster.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../../api/names.ts';
import {
  allSealed,
  claimOf,
  expected,
  identity,
  now,
  observed,
  outcome,
  type Row,
  spec,
  unmarked,
} from '../fixtures.ts';
import type { MemberView, Observed, QuorumView } from '../observed.ts';
import { plan } from '../plan.ts';

/** One member answers at the address of another, with the certificate that all share. */
const impostor = () => {
  const seen = observed({ identity: allSealed });
  const [first, second] = seen.members;
  return { ...seen, members: seen.members.map((m) => (m === second ? { ...m, status: first?.status } : m)) };
};

const noQuorum = { read: false, clusterId: undefined, members: undefined, error: 'x' };

/** All sealed and proven; this is how the members look, and what the quorum lists. */
function proven(o: { member?: (m: MemberView, i: number) => MemberView; quorum?: Partial<QuorumView> }): Observed {
  const seen = observed({ identity: allSealed });
  return { ...seen, members: seen.members.map(o.member ?? ((m) => m)), quorum: { ...seen.quorum, ...o.quorum } };
}
const listed = observed().quorum.members ?? [];
const extra = { id: 'm9', name: 'orders-9', peerUrls: [], clientUrls: [], isLearner: false };

/** Sealed that many seconds ago, and nobody leads. */
function leaderless(seconds: number): Observed {
  const seen = observed({ identity: allSealed, quorum: noQuorum });
  const at = now.getTime() - seconds * 1000;
  const pods = seen.pods.map((p) => {
    const [hash] = p.metadata.annotations?.[ANNOTATIONS.file]?.split('@') ?? [];
    const annotations = { ...p.metadata.annotations, [ANNOTATIONS.file]: `${hash}@${at}` };
    return { ...p, metadata: { ...p.metadata, annotations } };
  });
  return { ...seen, pods };
}

const rows: Row[] = [
  {
    sentence: 'a leader that nobody has become two minutes after the seal is a matter for somebody',
    seen: leaderless(121),
    finding: 'Bootstrapping',
    kind: 'blocked',
  },
  {
    sentence: 'a member that answers for another one proves nothing',
    seen: impostor(),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'without a quorum nothing counts as formed',
    seen: observed({
      identity: allSealed,
      quorum: { read: false, clusterId: undefined, members: undefined, error: 'x' },
      children: unmarked(allSealed),
    }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'an edit in the last step before it counts as formed waits until it does',
    seen: observed({
      identity: allSealed,
      spec: { ...spec, replicas: 1 },
      claims: [claimOf(identity.genesis, true)],
      children: unmarked(allSealed),
    }),
    action: 'Form',
    reason: 'Formed',
  },
  {
    sentence: 'sealed, proven and marked is formed',
    seen: observed({ identity: allSealed }),
    action: 'Form',
    reason: 'Formed',
  },
];

const marked = observed({ identity: allSealed }).children;

describe('a cluster that is about to be formed', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });

  it.each<[string, Observed, RegExp]>([
    [
      'a learner',
      proven({ quorum: { members: listed.map((m) => ({ ...m, isLearner: true })) } }),
      /orders-0 \(learner\)/,
    ],
    ['a member more', proven({ quorum: { members: [...listed, extra] } }), /list is orders-0, .*, orders-9; expected/],
    [
      'a member less',
      proven({ quorum: { members: listed.slice(1) } }),
      /list is orders-1, orders-2; expected orders-0/,
    ],
    [
      'a member that says no more',
      proven({ member: (m, i) => (i === 1 ? { ...m, status: undefined, error: 'no answer' } : m) }),
      /^waiting for orders-1: no answer$/,
    ],
    [
      'a member of another cluster',
      proven({ member: (m, i) => (i === 1 ? { ...m, status: { ...m.status, clusterId: 'c2' } as never } : m) }),
      /different cluster IDs: c1, c2$/,
    ],
    ['a list that nobody gave', proven({ quorum: { members: undefined } }), /^waiting for the members to elect/],
    [
      'no leader, and a member that says nothing',
      proven({ member: (m, i) => (i === 1 ? { ...m, status: undefined, error: 'x' } : m), quorum: noQuorum }),
      /^waiting for the members to elect a leader \(orders-1: x\)$/,
    ],
  ])('is not, with %s', (_sentence, seen, says) => {
    const { step, findings } = plan(seen);
    expect(step).toBeUndefined();
    expect(findings[0]).toMatchObject({ kind: 'progress', reason: 'Bootstrapping' });
    expect(findings[0]?.message).toMatch(says);
  });

  it.each([
    ['with all claims to be marked first', unmarked(allSealed), 3],
    [
      'with those that are left when the operator died after the first',
      [...marked.slice(0, 1), ...unmarked(allSealed).slice(1)],
      2,
    ],
    ['with none when it died after the last', marked, 0],
  ])('is, %s', (_, children, count) => {
    const { step } = plan(observed({ identity: allSealed, children }));
    const marks = step?.action === 'Form' ? step.claims.map((c) => c.child.desired.metadata.annotations) : undefined;
    expect(marks).toEqual(Array(count).fill(expect.objectContaining({ [ANNOTATIONS.formed]: 'true' })));
    expect(step).toMatchObject({ identity: { phase: 'Formed' } });
  });

  it('is, in whatever order the members are listed', () => {
    expect(plan(proven({ quorum: { members: listed.toReversed() } })).step?.reason).toBe('Formed');
  });
});
