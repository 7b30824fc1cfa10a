// SPDX-License-Identifier: Apache-2.0
// Renders what protects a cluster: its disruption budget and its network policies.
import type { EffectiveCluster, EtcdCluster } from '../../api/cluster.ts';
import { CLIENT_PORT, childNames, LABELS, METRICS_PORT, PEER_PORT } from '../../api/names.ts';
import {
  type NetworkPolicy,
  networkPolicies,
  type PodDisruptionBudget,
  podDisruptionBudgets,
} from '../../runtime/resources.ts';
import type { Identity } from '../identity.ts';
import { type Child, memberLabels, ownedMetadata } from './children.ts';

/** At most one member away at a time; none for a single member, which a budget could only block for ever. */
export function renderBudget(cluster: EtcdCluster, identity: Identity): Child<PodDisruptionBudget>[] {
  const members = identity.members.length;
  if (members < 2) return [];
  return [
    {
      resource: podDisruptionBudgets,
      closed: ['spec.**'],
      owned: true,
      desired: {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: ownedMetadata(cluster, childNames(cluster.metadata.name).podDisruptionBudget),
        spec: {
          minAvailable: members - 1,
          selector: { matchLabels: memberLabels(cluster) },
          unhealthyPodEvictionPolicy: 'AlwaysAllow',
        },
      },
    },
  ];
}

const tcp = (port: number) => ({ port, protocol: 'TCP' as const });

function policy(cluster: EtcdCluster, name: string, ingress: NonNullable<NetworkPolicy['spec']>['ingress']) {
  const desired: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: ownedMetadata(cluster, name),
    spec: { podSelector: { matchLabels: memberLabels(cluster) }, policyTypes: ['Ingress'], ingress: ingress ?? [] },
  };
  return { resource: networkPolicies, desired, closed: ['spec.**'], owned: true };
}

/**
 * Peers only among members; clients only from the operator, backup Jobs and the pods that the spec names (without any
 * named: pods of the namespace that carry the label `etcd.quorate.dev/client: <cluster>`); metrics only for the
 * operator.
 */
export function renderNetworkPolicies(
  cluster: EtcdCluster,
  spec: EffectiveCluster,
  operatorNamespace: string,
): Child<NetworkPolicy>[] {
  if (!spec.networkPolicy.enabled) return [];
  const name = cluster.metadata.name;
  const names = childNames(name);
  const operator = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': operatorNamespace } },
    podSelector: { matchLabels: { 'app.kubernetes.io/name': 'quorate' } },
  };
  const backups = { podSelector: { matchLabels: { [LABELS.cluster]: name, 'app.kubernetes.io/component': 'backup' } } };
  const named = spec.networkPolicy.clients ?? [{ podSelector: { matchLabels: { [LABELS.client]: name } } }];
  return [
    policy(cluster, names.peerPolicy, [
      { from: [{ podSelector: { matchLabels: memberLabels(cluster) } }], ports: [tcp(PEER_PORT)] },
    ]),
    policy(cluster, names.clientPolicy, [
      { from: [operator, backups, ...named], ports: [tcp(CLIENT_PORT)] },
      { from: [operator], ports: [tcp(METRICS_PORT)] },
    ]),
  ];
}
