// SPDX-License-Identifier: Apache-2.0
// What a cluster is made of, less what differs between any two clusters of one spec: two runs of one workload end equal.
import type { EtcdCluster } from '../../../src/api/cluster.ts';
import { etcdClusters } from '../../../src/api/resources.ts';
import type { KubeObject } from '../../../src/runtime/json.ts';
import type { Kube } from './kube.ts';
import { childKinds, selectorOf } from './scenario.ts';

export interface Found extends KubeObject {
  kind: string;
  type?: string;
  data?: Record<string, string>;
  spec?: unknown;
}

/** `Kind/NAME…` → what the object says, of the cluster itself and of everything that belongs to it. */
export async function inventory(kube: Kube, { metadata }: EtcdCluster): Promise<Record<string, unknown>> {
  const { namespace = '', name } = metadata;
  const lists = await Promise.all(
    childKinds.map(async ({ kind, ...rest }) =>
      (await kube.list({ kind, ...rest }, namespace, selectorOf(name))).map((item): Found => ({ ...item, kind })),
    ),
  );
  return comparable(await kube.get(etcdClusters, { namespace, name }), lists.flat());
}

/** Pure. Names, UIDs, addresses, times, keys and certificates are masked: everything that is drawn, given or counted. */
export function comparable(cluster: EtcdCluster, children: readonly Found[]): Record<string, unknown> {
  const { name, namespace = '' } = cluster.metadata;
  const conditions = cluster.status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
  const entries = children
    .map((child): [string, unknown] => [`${child.kind}/${child.metadata.name}`, said(child)])
    .toSorted(([a], [b]) => a.localeCompare(b));
  const itself = { finalizers: cluster.metadata.finalizers, spec: cluster.spec, conditions };
  let text = JSON.stringify({ 'EtcdCluster/NAME': itself, ...Object.fromEntries(entries) }, masked);
  for (const [drawn, mask] of [...drawnOf(children), [namespace, 'NAMESPACE'], [name, 'NAME']] as const)
    text = text.replaceAll(drawn, mask);
  return JSON.parse(text) as Record<string, unknown>;
}

/** What the record of a cluster drew for it, and by which mask it goes. */
function drawnOf(children: readonly Found[]): [string, string][] {
  const record = children.find(({ data }) => data?.['identity.json'])?.data?.['identity.json'] ?? '{}';
  const identity: {
    genesis?: string;
    members?: { incarnation: string }[];
    authorities?: Record<string, string>;
  } = JSON.parse(record);
  const incarnations = (identity.members ?? []).map((m, i): [string, string] => [m.incarnation, `INCARNATION-${i}`]);
  const authorities = Object.entries(identity.authorities ?? {}).map(([side, print]): [string, string] => [
    print,
    `AUTHORITY-${side}`,
  ]);
  return [
    ...(identity.genesis ? [[identity.genesis, 'GENESIS'] as [string, string]] : []),
    ...incarnations,
    ...authorities,
  ];
}

function said({ kind, metadata, type, data, spec }: Found): object {
  const { labels, annotations, finalizers, ownerReferences, deletionTimestamp } = metadata;
  return {
    labels,
    // Those of others come at their own time. When a kubelet or a controller was nudged is a matter of pace.
    annotations: Object.fromEntries(
      Object.entries(annotations ?? {}).filter(
        ([key]) => key.startsWith('etcd.quorate.dev/') && !/\/(?:file|looked-for)$/.test(key),
      ),
    ),
    finalizers,
    owners: ownerReferences?.map(({ uid: _, ...owner }) => owner),
    deleted: deletionTimestamp !== undefined,
    type,
    data: kind === 'Secret' ? decoded(data) : data,
    spec,
  };
}

const pem = /-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----\n?/g;

const decoded = (data: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString().replaceAll(pem, '$1\n')]),
  );

/** Given by the server, the scheduler or a controller, or the hash of something that is masked. */
const given = new Set([
  'nodeName',
  'volumeName',
  'checksum',
  'controller-revision-hash',
  'topology.kubernetes.io/zone',
]);

function masked(key: string, value: unknown): unknown {
  if (given.has(key)) return 'GIVEN';
  const address = key === 'clusterIP' || key === 'clusterIPs';
  return address && [value].flat()[0] !== 'None' ? 'ADDRESS' : value;
}
