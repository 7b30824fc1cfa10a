// SPDX-License-Identifier: Apache-2.0
// Who a cluster is: drawn once, brought back from its claims, never mixed with another.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../../api/cluster.ts';
import { cluster, expected, identity, observed, outcome, type Row, spec, unsealed } from '../fixtures.ts';

const rows: Row[] = [
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
    seen: observed({ identity: unsealed, spec: { ...spec, replicas: 1 } }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
];

describe('the identity', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});
