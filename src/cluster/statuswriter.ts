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

  /** When this cluster's status was last written, in milliseconds of the monotonic clock; −Infinity if not by this process. */
  writtenAt(cluster: EtcdCluster): number {
    return this.#written.get(keyOf(cluster))?.at ?? Number.NEGATIVE_INFINITY;
  }

  /** The cluster with the newest status that is known. */
  newest(cluster: EtcdCluster): EtcdCluster {
    const last = this.#written.get(keyOf(cluster));
    const { uid, resourceVersion = '0' } = cluster.metadata;
    const stale = last !== undefined && last.uid === uid && BigInt(last.version) > BigInt(resourceVersion);
    return stale ? { ...cluster, status: last.status } : cluster;
  }

  /**
   * What a status says depends on what it said before, so `derive` is given the newest: from an older one, times of
   * transition would change with every write, and every write would cause another. True when something was written.
   */
  async write(
    cluster: EtcdCluster,
    derive: (newest: EtcdCluster) => EtcdClusterStatus,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { name, namespace, uid } = cluster.metadata;
    const newest = this.newest(cluster);
    const wanted = JSON.parse(JSON.stringify(derive(newest))) as EtcdClusterStatus;
    if (isDeepStrictEqual(newest.status, wanted)) return false;
    const object = {
      apiVersion: API_VERSION,
      kind: 'EtcdCluster',
      metadata: { name, namespace, uid },
      status: wanted,
    } as EtcdCluster;
    const answer = await this.#client.apply(etcdClusters, object, { subresource: 'status', force: true, signal });
    const version = answer.metadata.resourceVersion ?? '0';
    this.#written.set(keyOf(cluster), { uid: uid as string, status: wanted, version, at: performance.now() });
    return true;
  }

  forget(key: Key): void {
    this.#written.delete(`${key.namespace}/${key.name}`);
  }
}

const keyOf = ({ metadata }: EtcdCluster): string => `${metadata.namespace}/${metadata.name}`;
