// SPDX-License-Identifier: Apache-2.0
// Renders the Services of a cluster: one per member, one for clients, and the headless one of the StatefulSet.
import type { EffectiveCluster, EtcdCluster } from '../../api/cluster.ts';
import { CLIENT_PORT, childNames, LABELS, PEER_PORT } from '../../api/names.ts';
import { type Service, services } from '../../runtime/resources.ts';
import type { Identity } from '../identity.ts';
import { askedAnnotations, type Child, memberLabels, ownedMetadata } from './children.ts';

const port = (name: string, number: number) => ({ name, port: number, targetPort: number, protocol: 'TCP' as const });

const child = (desired: Service): Child<Service> => ({
  resource: services,
  desired,
  closed: ['spec.selector'],
  owned: true,
});

/**
 * A virtual IP per member: its name resolves before its pod exists, and follows the pod at once. With headless names a
 * peer that asks too early gets a negative answer that DNS may cache for 30 s.
 */
function memberService(cluster: EtcdCluster, member: string): Child<Service> {
  return child({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMetadata(cluster, member),
    spec: {
      type: 'ClusterIP',
      publishNotReadyAddresses: true,
      selector: { ...memberLabels(cluster), 'statefulset.kubernetes.io/pod-name': member },
      ports: [port('peer', PEER_PORT), port('client', CLIENT_PORT)],
    },
  });
}

export function renderServices(cluster: EtcdCluster, spec: EffectiveCluster, identity: Identity): Child<Service>[] {
  const names = childNames(cluster.metadata.name);
  const headless = child({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMetadata(cluster, names.headlessService),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: { [LABELS.cluster]: cluster.metadata.name, 'app.kubernetes.io/component': 'member' },
      ports: [port('peer', PEER_PORT), port('client', CLIENT_PORT)],
    },
  });
  const client = child({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMetadata(cluster, names.clientService, askedAnnotations(spec.service.annotations)),
    spec: { type: spec.service.type, selector: memberLabels(cluster), ports: [port('client', CLIENT_PORT)] },
  });
  return [...identity.members.map((m) => memberService(cluster, m.name)), headless, client];
}
