// SPDX-License-Identifier: Apache-2.0
// What is done next, and what is said when nothing is.
import { describe, expect, it } from 'vitest';
import { broken, down, expected, members, observed, outcome, type Row, spec } from './fixtures.ts';

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
];

describe('plan', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});
