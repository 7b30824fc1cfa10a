// SPDX-License-Identifier: Apache-2.0
// Steps that many scenarios share: who is who, what is there, and a proof that the operator looks after a cluster.
import type { EtcdCluster } from '../../../src/api/cluster.ts';
import type { KubeObject } from '../../../src/runtime/json.ts';
import {
  configMaps,
  networkPolicies,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Resource,
  secrets,
  services,
  statefulSets,
} from '../../../src/runtime/resources.ts';
import type { Kube } from './kube.ts';
import { until } from './until.ts';

/** Every kind of object that belongs to a cluster. */
export const childKinds: Resource<KubeObject>[] = [
  configMaps,
  networkPolicies,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  secrets,
  services,
  statefulSets,
];

/** The line by which a server ends a watch whose version it does not know any more. */
export const expired = JSON.stringify({
  type: 'ERROR',
  object: {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    reason: 'Expired',
    code: 410,
    message: 'too old resource version',
  },
});

export const selectorOf = (name: string) => `etcd.quorate.dev/cluster=${name}`;
const refOf = ({ metadata }: EtcdCluster) => ({ namespace: metadata.namespace ?? '', name: metadata.name });

/** `Kind/name` → UID of the objects of a cluster. */
export async function identities(kube: Kube, object: EtcdCluster, kinds = childKinds): Promise<Record<string, string>> {
  const { namespace, name } = refOf(object);
  const lists = await Promise.all(kinds.map((kind) => kube.list(kind, namespace, selectorOf(name))));
  const entries = lists.flatMap((items, index) =>
    items.map(({ metadata }): [string, string] => [`${kinds[index]?.kind}/${metadata.name}`, metadata.uid ?? '']),
  );
  return Object.fromEntries(entries.toSorted(([a], [b]) => a.localeCompare(b)));
}

/** Deletes the client Service and waits for its successor: the operator sees this cluster and acts. Returns milliseconds. */
export async function repairs(kube: Kube, object: EtcdCluster, within = 10_000): Promise<number> {
  const { namespace, name } = refOf(object);
  const service = { namespace, name: `${name}-client` };
  const old = await kube.get(services, service);
  const start = performance.now();
  await kube.delete(services, service);
  await reappears(kube, object, old.metadata.uid ?? '', within);
  return performance.now() - start;
}

/** Waits until the client Service is there with another UID. */
export async function reappears(kube: Kube, object: EtcdCluster, oldUid: string, within = 10_000): Promise<void> {
  const { namespace, name } = refOf(object);
  await until(`the deleted Service ${name}-client is back`, {
    within,
    read: () => kube.get(services, { namespace, name: `${name}-client` }),
    holds: ({ metadata }) => metadata.uid !== oldUid && metadata.deletionTimestamp === undefined,
  });
}

/** UID and restarts of every member pod: unchanged means that no member was touched. */
export async function memberLives(kube: Kube, object: EtcdCluster): Promise<string[]> {
  const { namespace, name } = refOf(object);
  const found = await kube.list(pods, namespace, `${selectorOf(name)},app.kubernetes.io/component=member`);
  // Nobody was touched where nobody is: that would prove nothing.
  if (found.length === 0) throw new Error(`${namespace}/${name} has no member pods`);
  return found
    .map(
      ({ metadata, status }) =>
        `${metadata.name} ${metadata.uid} restarts ${status?.containerStatuses?.[0]?.restartCount ?? 0}`,
    )
    .toSorted();
}
