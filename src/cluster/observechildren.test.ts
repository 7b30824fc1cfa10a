// SPDX-License-Identifier: Apache-2.0
// Tests of which objects a cluster wants no longer: Secrets are not watched, so its own status says what it once made.
import { expect, it } from 'vitest';
import type { EtcdCluster, EtcdClusterStatus } from '../api/cluster.ts';
import { LABELS } from '../api/names.ts';
import type { KubeObject } from '../runtime/json.ts';
import { type Secret, services } from '../runtime/resources.ts';
import { type ChildrenDeps, readObsolete } from './observechildren.ts';

const none = { list: () => [] };

function secret(name: string, uid = 'u1'): Secret {
  const owner = { apiVersion: 'v', kind: 'EtcdCluster', name: 'orders', uid, controller: true };
  return { metadata: { name, namespace: 'shop', ownerReferences: [owner] } };
}

type Needed = Parameters<typeof readObsolete>[2];

/** What is found where these Services are there and status tells of these Secrets. */
async function obsolete(o: { told?: string[]; wanted?: string[]; there?: KubeObject[]; needed?: object }) {
  const cluster: EtcdCluster = {
    metadata: { name: 'orders', namespace: 'shop', uid: 'u1' },
    spec: { version: '3.6.16', storage: { size: '1Gi' } },
    status: { clientSecrets: o.told ?? [] } as unknown as EtcdClusterStatus,
  };
  const deps = {
    stores: { networkPolicies: none, services: { list: () => o.there ?? [] }, budgets: none },
    own: { current: (_kind: unknown, listed: unknown) => listed },
    secrets: {
      read: (_namespace: string, name: string) =>
        Promise.resolve(name.endsWith('gone') ? undefined : secret(name, name.endsWith('stranger') ? 'u2' : 'u1')),
    },
  } as unknown as ChildrenDeps;
  const secrets = (o.wanted ?? []).map((name) => ({ need: { name } }));
  const needed = { identity: { phase: 'Formed' }, children: [], secrets, ...o.needed } as unknown as Needed;
  const found = await readObsolete(deps, cluster, needed, new AbortController().signal);
  return found.map(({ resource, name }) => `${resource.kind}/${name}`);
}

it.each([
  ['a client that the spec has no more', ['orders-client-app'], [], ['orders-client-app']],
  ['the client of backups without a backup policy', ['orders-tls-backup'], [], ['orders-tls-backup']],
  ['nothing that is in use', ['orders-tls-backup'], ['orders-tls-backup'], []],
  ['nothing that is not ours', ['orders-client-stranger'], [], []],
  ['nothing of another kind, whatever status says', ['orders-tls-server', 'orders-ca-peer'], [], []],
  ['nothing that is gone', ['orders-client-gone'], [], []],
])('is %s', async (_, told, wanted, gone) => {
  expect(await obsolete({ told, wanted })).toEqual(gone.map((name) => `Secret/${name}`));
});

it('is no Secret before the cluster is formed: it has no clients yet', async () => {
  const needed = { identity: { phase: 'Forming' } };
  expect(await obsolete({ told: ['orders-client-app'], needed })).toEqual([]);
});

const service = (name: string, over: object = {}): KubeObject => {
  const { metadata } = secret(name);
  return { metadata: { ...metadata, labels: { [LABELS.cluster]: 'orders' }, ...over } };
};
const wanting = (name: string) => ({
  children: [{ child: { resource: services, desired: { metadata: { name } } } }],
});

it.each<[string, KubeObject, object, string[]]>([
  ['the Service of a member that is no more', service('orders-4'), {}, ['Service/orders-4']],
  ['none that is asked for', service('orders-4'), wanting('orders-4'), []],
  ['none that is on its way out', service('orders-4', { deletionTimestamp: '2026-11-23T09:59:00Z' }), {}, []],
  ['none of another cluster', service('orders-4', { labels: { [LABELS.cluster]: 'others' } }), {}, []],
  ['none of somebody else', service('orders-4', { ownerReferences: [] }), {}, []],
])('is %s', async (_, there, needed, gone) => {
  expect(await obsolete({ there: [there], needed })).toEqual(gone);
});
