// SPDX-License-Identifier: Apache-2.0
// Writes the status of a cluster, and only when it says something new.
import { isDeepStrictEqual } from 'node:util';
import type { EtcdCluster, EtcdClusterStatus } from '../api/cluster.ts';
import { API_VERSION } from '../api/names.ts';
import { etcdClusters } from '../api/resources.ts';
import type { KubeClient } from '../runtime/client.ts';
import type { Key } from '../runtime/manager.ts';

export class StatusWriter {
  readonly #client: KubeClient;
  /** Last status we wrote, by cluster: the cache may still show the one before. */
  readonly #written = new Map<string, { uid: string; status: EtcdClusterStatus; version: string; at: number }>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** When this cluster's status was last written, in milliseconds of the monotonic clock; 0 if not by this process. */
  writtenAt(cluster: EtcdCluster): number {
    return this.#written.get(`${cluster.metadata.namespace}/${cluster.metadata.name}`)?.at ?? 0;
  }

  /** True when something was written. */
  async write(cluster: EtcdCluster, status: EtcdClusterStatus, signal: AbortSignal): Promise<boolean> {
    const { name, uid } = cluster.metadata;
    const namespace = cluster.metadata.namespace as string;
    const wanted = JSON.parse(JSON.stringify(status)) as EtcdClusterStatus;
    const key = `${namespace}/${name}`;
    const last = this.#written.get(key);
    const stale =
      last !== undefined && last.uid === uid && BigInt(last.version) > BigInt(cluster.metadata.resourceVersion ?? '0');
    const current = stale ? last.status : cluster.status;
    if (isDeepStrictEqual(current, wanted)) return false;
    const object = {
      apiVersion: API_VERSION,
      kind: 'EtcdCluster',
      metadata: { name, namespace, uid },
      status: wanted,
    } as EtcdCluster;
    const answer = await this.#client.apply(etcdClusters, object, { subresource: 'status', force: true, signal });
    const version = answer.metadata.resourceVersion ?? '0';
    this.#written.set(key, { uid: uid as string, status: wanted, version, at: performance.now() });
    return true;
  }

  forget(key: Key): void {
    this.#written.delete(`${key.namespace}/${key.name}`);
  }
}
