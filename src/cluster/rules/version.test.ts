// SPDX-License-Identifier: Apache-2.0
// Members that run another version than the one that was asked for.
import { describe, expect, it } from 'vitest';
import { allSealed, cluster, expected, observed, outcome, type Row, unmarked } from '../fixtures.ts';
import type { Observed } from '../observed.ts';

/** The members, each with the version that it reports. */
const running = (...versions: string[]): Pick<Observed, 'members'> => ({
  members: observed().members.map((m, i) => ({ ...m, status: { ...m.status, version: versions[i] } as never })),
});
const proven = observed({ identity: allSealed }).members.map((m) => m.provenFile);
const forming = (...versions: string[]): Observed =>
  observed({
    identity: allSealed,
    children: unmarked(allSealed),
    members: running(...versions).members.map((m, i) => ({ ...m, provenFile: proven[i] })),
  });

const away = { type: 'Available', status: 'False', lastTransitionTime: '2026-11-23T09:59:00Z' };

const rows: Row[] = [
  {
    sentence: 'a cluster whose image holds another version than was asked for is never formed',
    seen: forming('3.6.16', '3.6.4', '3.6.16'),
    finding: 'VersionMismatch',
    kind: 'blocked',
  },
  {
    sentence: 'one whose image holds what was asked for is',
    seen: forming('3.6.16', '3.6.16', '3.6.16'),
    action: 'Form',
    reason: 'Formed',
  },
  {
    sentence: 'a build of the version is that version',
    seen: forming('3.6.16+vendor.1', '3.6.16-0', '3.6.16'),
    action: 'Form',
    reason: 'Formed',
  },
  {
    sentence: 'a member of a formed cluster that runs another version is told',
    seen: observed(running('3.6.16', '3.6.16', '3.7.3')),
    finding: 'VersionMismatch',
    kind: 'blocked',
  },
  {
    sentence: 'and never hides that nothing is served',
    seen: observed({
      ...running('3.6.16', '3.6.16', '3.7.3'),
      cluster: { ...cluster, status: { conditions: [away] } } as never,
      quorum: { read: false, clusterId: undefined, members: undefined, error: 'timeout' },
    }),
    finding: 'QuorumLost',
    kind: 'blocked',
  },
  {
    sentence: 'of a formed cluster with its version there is nothing to say',
    seen: observed(running('3.6.16', '3.6.16', '3.6.16')),
  },
];

describe('the version', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});
