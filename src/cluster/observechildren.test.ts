// SPDX-License-Identifier: Apache-2.0
// Tests of which Secrets a cluster wants no longer: they are not watched, so its own status says what it once made.
import { expect, it } from 'vitest';
import type { EtcdCluster, EtcdClusterStatus } from '../api/cluster.ts';
import type { Secret } from '../runtime/resources.ts';
import { type ChildrenDeps, readObsolete } from './observechildren.ts';

const none = { list: () => [] };

function secret(name: string, uid = 'u1'): Secret {
  const owner = { apiVersion: 'v', kind: 'EtcdCluster', name: 'orders', uid, controller: true };
  return { metadata: { name, namespace: 'shop', ownerReferences: [owner] } };
}

it.each([
  ['a client that the spec has no more', ['orders-client-app'], [], ['orders-client-app']],
  ['the client of backups without a backup policy', ['orders-tls-backup'], [], ['orders-tls-backup']],
  ['nothing that is in use', ['orders-tls-backup'], ['orders-tls-backup'], []],
  ['nothing that is not ours', ['orders-client-stranger'], [], []],
  ['nothing of another kind, whatever status says', ['orders-tls-server', 'orders-ca-peer'], [], []],
])('is %s', async (_, told, wanted, gone) => {
  const cluster: EtcdCluster = {
    metadata: { name: 'orders', namespace: 'shop', uid: 'u1' },
    spec: { version: '3.6.16', storage: { size: '1Gi' } },
    status: { clientSecrets: told } as unknown as EtcdClusterStatus,
  };
  const deps = {
    stores: { networkPolicies: none, services: none, budgets: none },
    own: { current: (_kind: unknown, listed: unknown) => listed },
    secrets: {
      read: (_namespace: string, name: string) =>
        Promise.resolve(secret(name, name.endsWith('stranger') ? 'u2' : 'u1')),
    },
  } as unknown as ChildrenDeps;
  const needed = {
    identity: { phase: 'Formed' },
    children: [],
    secrets: wanted.map((name) => ({ need: { name } })),
  } as unknown as Parameters<typeof readObsolete>[2];
  const obsolete = await readObsolete(deps, cluster, needed, new AbortController().signal);
  expect(obsolete.map((o) => o.name)).toEqual(gone);
});
