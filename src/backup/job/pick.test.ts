// SPDX-License-Identifier: Apache-2.0
// Tests of choosing the member to take a snapshot from.
import { describe, expect, it } from 'vitest';
import type { MemberStatus } from '../../etcd/types.ts';
import { pickMember } from './pick.ts';

const status = (id: string, o: Partial<MemberStatus> = {}): MemberStatus => ({
  clusterId: 'c',
  memberId: id,
  leaderId: 'a',
  raftTerm: 2n,
  raftIndex: 5_000n,
  raftAppliedIndex: 5_000n,
  revision: 100n,
  version: '3.6.16',
  dbSize: 1,
  dbSizeInUse: 1,
  isLearner: false,
  errors: [],
  ...o,
});
const candidate = (name: string, s: MemberStatus | undefined) => ({ name, status: s });
const options = { revision: 100n, corrupt: new Set<string>(), tried: new Set<string>() };

describe('the source of a snapshot', () => {
  it.each([
    ['a follower rather than the leader', [candidate('m-0', status('a')), candidate('m-1', status('b'))], {}, 'm-1'],
    ['the leader of a single member', [candidate('m-0', status('a'))], {}, 'm-0'],
    [
      'the follower that has applied most',
      [candidate('m-1', status('b', { raftAppliedIndex: 4_990n })), candidate('m-2', status('c'))],
      {},
      'm-2',
    ],
    [
      'the leader, if every follower lags',
      [candidate('m-0', status('a')), candidate('m-1', status('b', { raftAppliedIndex: 100n }))],
      {},
      'm-0',
    ],
    [
      'nobody behind the linearizable read',
      [candidate('m-0', status('a')), candidate('m-1', status('b', { revision: 99n }))],
      {},
      'm-0',
    ],
    ['no learner', [candidate('m-0', status('a')), candidate('m-1', status('b', { isLearner: true }))], {}, 'm-0'],
    [
      'no corrupt member',
      [candidate('m-0', status('a')), candidate('m-1', status('b'))],
      { corrupt: new Set(['b']) },
      'm-0',
    ],
    ['one that answers', [candidate('m-0', status('a')), candidate('m-1', undefined)], {}, 'm-0'],
    [
      'another one than failed before',
      [candidate('m-0', status('a')), candidate('m-1', status('b'))],
      { tried: new Set(['m-1']) },
      'm-0',
    ],
    [
      'the one that failed before, if it is the only one',
      [candidate('m-0', status('a'))],
      { tried: new Set(['m-0']) },
      'm-0',
    ],
    ['by name among equals', [candidate('m-2', status('c')), candidate('m-1', status('b'))], {}, 'm-1'],
  ])('is %s', (_, candidates, o, expected) => {
    expect(pickMember(candidates, { ...options, ...o })).toMatchObject({ name: expected });
  });
  it('is nobody while an alarm does not say who is corrupt, and waiting does not help', () => {
    const candidates = [candidate('m-0', status('a')), candidate('m-1', status('b'))];
    expect(pickMember(candidates, { ...options, corrupt: new Set(['0']) })).toEqual({
      problem: expect.stringContaining('does not say which member') as string,
      reason: 'CorruptAlarm',
    });
  });
  it('is any other one while the corrupt member does not answer', () => {
    const candidates = [candidate('m-0', status('a')), candidate('m-1', undefined)];
    expect(pickMember(candidates, { ...options, corrupt: new Set(['b']) })).toMatchObject({ name: 'm-0' });
  });
  it('is named with what speaks against each, if there is none', () => {
    const candidates = [
      candidate('m-0', undefined),
      candidate('m-1', status('b', { leaderId: undefined })),
      candidate('m-2', status('c', { revision: 7n })),
    ];
    expect(pickMember(candidates, options)).toEqual({
      problem: 'm-0 does not answer; m-1 knows no leader; m-2 is at revision 7, behind 100',
    });
  });
});
