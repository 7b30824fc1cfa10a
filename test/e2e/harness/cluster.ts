// SPDX-License-Identifier: Apache-2.0
// EtcdClusters as the tests want them, and what to read from their status.
import type { EtcdCluster } from '../../../src/api/cluster.ts';
import { etcdClusters } from '../../../src/api/resources.ts';
import type { Secret } from '../../../src/runtime/resources.ts';
import type { Kube } from './kube.ts';
import { until } from './until.ts';

/** Name of the client certificate that every test cluster issues. */
export const clientName = 'e2e';

/** One of each minor version that is supported. */
export const versions = ['3.5.33', '3.6.16', '3.7.3'] as const;

type Spec = EtcdCluster['spec'];

/** A small cluster: one member unless the spec says otherwise, 300 MiB volumes, a client certificate for the recorder. */
export function cluster(namespace: string, name: string, spec: Partial<Spec> = {}): EtcdCluster {
  return {
    apiVersion: 'etcd.quorate.dev/v1alpha1',
    kind: 'EtcdCluster',
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      version: '3.6.16',
      storage: { size: '300Mi' },
      etcd: { quota: '32Mi' },
      tls: { clientCertificates: [{ name: clientName, commonName: clientName }] },
      // Three nodes have six processors between them, and several files ask for clusters at once.
      pods: { resources: { requests: { cpu: '25m', memory: '64Mi' } } },
      ...spec,
    },
  };
}

export interface ConditionSeen {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  observedGeneration?: number;
}

export function condition(object: EtcdCluster | undefined, type: string): ConditionSeen | undefined {
  return object?.status?.conditions?.find((entry) => entry.type === type);
}

/** True, or what is missing: `Available` and `Ready` True for this generation, and nothing under way. */
export function availableNow(object: EtcdCluster): true | string {
  const { generation } = object.metadata;
  if (object.status?.observedGeneration !== generation) {
    return `observedGeneration is ${object.status?.observedGeneration}, generation is ${generation}`;
  }
  for (const type of ['Available', 'Ready']) {
    const found = condition(object, type);
    if (found?.status !== 'True') return `${type} is ${found?.status ?? 'absent'}: ${found?.reason}: ${found?.message}`;
  }
  for (const type of ['Reconciling', 'Stalled']) {
    const found = condition(object, type);
    if (found?.status === 'True') return `${type} is True: ${found.reason}: ${found.message}`;
  }
  return true;
}

/** Waits until the cluster is available; default deadline 90 s. */
export function waitAvailable(kube: Kube, namespace: string, name: string, within = 90_000): Promise<EtcdCluster> {
  return until(`${namespace}/${name} is available`, {
    within,
    read: () => kube.get(etcdClusters, { namespace, name }),
    holds: availableNow,
  });
}

/** What etcd is started with, from the Secret `<cluster>-tls-server`. */
export const memberFile = ({ data }: Secret, pod: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(data?.[`${pod}.yaml`] ?? '', 'base64').toString()) as Record<string, unknown>;
