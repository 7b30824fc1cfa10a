// SPDX-License-Identifier: Apache-2.0
// The two ways to a cluster that are compared: an EtcdCluster, and the floor, a bare StatefulSet with all else prepared.
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { effectiveSpec } from '../../src/api/effective.ts';
import { childNames, LABELS } from '../../src/api/names.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import { formationOf } from '../../src/cluster/formation.ts';
import { drawIdentity } from '../../src/cluster/identity.ts';
import { certificateNeeds, renderSecret } from '../../src/cluster/render/certificates.ts';
import { renderMemberFiles } from '../../src/cluster/render/memberfile.ts';
import { renderServices } from '../../src/cluster/render/services.ts';
import { renderClaims, renderStatefulSet } from '../../src/cluster/render/statefulset.ts';
import type { KubeObject } from '../../src/runtime/json.ts';
import {
  persistentVolumeClaims,
  type Resource,
  type Secret,
  secrets,
  services,
  statefulSets,
} from '../../src/runtime/resources.ts';
import { createAuthority, issueLeaf } from '../../src/tls/authority.ts';
import type { Bench } from './bench.ts';

type Spec = EtcdCluster['spec'];

export function clusterObject(namespace: string, name: string, spec: Partial<Spec> = {}): EtcdCluster {
  return {
    apiVersion: 'etcd.quorate.dev/v1alpha1',
    kind: 'EtcdCluster',
    metadata: { name, namespace },
    spec: {
      replicas: 3,
      version: '3.6.16',
      storage: { size: '1Gi', retentionPolicy: { whenDeleted: 'Delete' } },
      tls: { clientCertificates: [{ name: 'app' }] },
      // Thirty members must fit on the testbed's nodes, beside whatever else runs there.
      pods: { resources: { requests: { cpu: '10m', memory: '64Mi' } } },
      ...spec,
    },
  };
}

/** Something that can be applied; nothing is left to compute when `apply` is called. */
export interface Prepared {
  readonly name: string;
  readonly members: number;
  apply(): Promise<void>;
  /** Asks for its deletion with its volumes; `Bench.clear` waits for the end. */
  remove(): Promise<void>;
}

export function prepareCluster(bench: Bench, name: string, members: 1 | 3 | 5 | 7): Prepared {
  const object = clusterObject(bench.namespace, name, { replicas: members });
  return {
    name,
    members,
    apply: async () => void (await bench.kube.create(etcdClusters, object)),
    remove: () => bench.kube.delete(etcdClusters, object.metadata),
  };
}

interface FloorObject {
  readonly resource: Resource<KubeObject>;
  readonly object: KubeObject;
}

/**
 * The floor. Rendered by the operator's own code, so that pods, probes, files, certificates, Services and claims are
 * the same to the letter; its label says that the operator has no business with it.
 */
async function floorObjects(cluster: EtcdCluster): Promise<{ before: FloorObject[]; set: FloorObject }> {
  const effective = effectiveSpec(cluster);
  if (!effective.ok) throw new Error(effective.message);
  const identity = drawIdentity(cluster.metadata.name, formationOf(effective.spec));
  const files = renderMemberFiles(identity, cluster.metadata.namespace as string);
  const [peer, client] = await Promise.all([
    createAuthority({ commonName: `${cluster.metadata.name} peer` }),
    createAuthority({ commonName: `${cluster.metadata.name} client` }),
  ]);
  const needs = certificateNeeds(cluster, effective.spec, identity, files);
  const made = await Promise.all(
    needs.map(async (need): Promise<Secret> => {
      const authority = need.side === 'peer' ? peer : client;
      const leaves = await Promise.all(
        need.leaves.map(({ keys: _, ...request }) =>
          issueLeaf(authority, {
            ...request,
            usages: [...request.usages],
            dnsNames: [...request.dnsNames],
            ipAddresses: [...(request.ipAddresses ?? [])],
            uris: [...(request.uris ?? [])],
          }),
        ),
      );
      return renderSecret(cluster, need, authority.cert, leaves);
    }),
  );
  const before = [
    ...made.map((object) => ({ resource: secrets as Resource<KubeObject>, object: foreign(object) })),
    ...renderServices(cluster, effective.spec, identity).map(({ desired }) => ({
      resource: services as Resource<KubeObject>,
      object: foreign(desired),
    })),
    ...renderClaims(cluster, identity).map(({ desired }) => ({
      resource: persistentVolumeClaims as Resource<KubeObject>,
      object: foreign(desired),
    })),
  ];
  const set = {
    resource: statefulSets as Resource<KubeObject>,
    object: foreign(renderStatefulSet(cluster, identity).desired),
  };
  return { before, set };
}

/** Without owner, and managed by somebody else. */
function foreign(object: KubeObject): KubeObject {
  const label = '"app.kubernetes.io/managed-by":';
  const text = JSON.stringify(object).replaceAll(`${label}"quorate"`, `${label}"bench"`);
  const copy = JSON.parse(text) as KubeObject;
  delete copy.metadata.ownerReferences;
  return copy;
}

/** Requests in flight while the floor is applied: more than any client tool has. */
const AT_ONCE = 8;

export async function prepareFloor(bench: Bench, name: string, members: 1 | 3 | 5 | 7): Promise<Prepared> {
  const { before, set } = await floorObjects(clusterObject(bench.namespace, name, { replicas: members }));
  const create = ({ resource, object }: FloorObject) => bench.kube.create(resource, object);
  return {
    name,
    members,
    apply: async () => {
      const queue = [...before];
      const work = async (): Promise<void> => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) await create(next);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      await create(set);
    },
    remove: async () => {
      const label = `${LABELS.cluster}=${name}`;
      await bench.deleteAll(statefulSets, label);
      for (const kind of [services, secrets, persistentVolumeClaims]) await bench.deleteAll(kind, label);
    },
  };
}

/** The client certificate that the judge uses: of the operator, or prepared under the same name. */
export const judgeSecret = (name: string): string => childNames(name).operatorTls;
