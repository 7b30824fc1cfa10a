// SPDX-License-Identifier: Apache-2.0
// Stamps what happens to pods and EtcdClusters of the namespace at the moment it is seen: where the time goes.
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { LABELS } from '../../src/api/names.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import { type Pod, pods } from '../../src/runtime/resources.ts';
import type { Kube } from '../e2e/harness/kube.ts';

export type Milestone = 'created' | 'scheduled' | 'addressed' | 'running' | 'ready';

export class Timeline {
  readonly #stop = new AbortController();
  readonly #pods = new Map<string, Map<Milestone, Map<string, number>>>();
  readonly #available = new Map<string, PromiseWithResolvers<number>>();

  constructor(kube: Kube, namespace: string) {
    void kube.watch(pods, namespace, ({ type, object }) => type !== 'DELETED' && this.#pod(object), this.#stop.signal);
    void kube.watch(etcdClusters, namespace, ({ object }) => this.#cluster(object), this.#stop.signal);
  }

  close(): void {
    this.#stop.abort();
  }

  /** Resolves with the milliseconds since the epoch at which the cluster was seen `Available`. */
  async available(name: string, timeoutMs: number): Promise<number> {
    const signal = AbortSignal.timeout(timeoutMs);
    return Promise.race([
      this.#waiter(name).promise,
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error(`${name} was not Available within ${timeoutMs} ms`)));
      }),
    ]);
  }

  /** Seconds from `since` until the last member of a cluster had reached each milestone. */
  milestones(name: string, since: number): Partial<Record<Milestone, number>> {
    const seen = [...(this.#pods.get(name) ?? [])];
    return Object.fromEntries(
      seen.map(([milestone, at]) => [milestone, Math.round(Math.max(...at.values()) - since) / 1000]),
    );
  }

  #waiter(name: string): PromiseWithResolvers<number> {
    const known = this.#available.get(name) ?? Promise.withResolvers<number>();
    this.#available.set(name, known);
    return known;
  }

  #cluster({ metadata, status }: EtcdCluster): void {
    const condition = status?.conditions?.find((c) => c.type === 'Available');
    if (condition?.status === 'True') this.#waiter(metadata.name).resolve(Date.now());
  }

  #pod({ metadata, spec, status }: Pod): void {
    const cluster = metadata.labels?.[LABELS.cluster];
    if (cluster === undefined) return;
    const container = status?.containerStatuses?.[0];
    const reached: Record<Milestone, boolean> = {
      created: true,
      scheduled: spec?.nodeName !== undefined,
      addressed: status?.podIP !== undefined,
      running: container?.state?.running !== undefined,
      ready: container?.ready === true,
    };
    const seen = this.#pods.get(cluster) ?? new Map<Milestone, Map<string, number>>();
    this.#pods.set(cluster, seen);
    for (const milestone of Object.keys(reached) as Milestone[]) {
      const at = seen.get(milestone) ?? new Map<string, number>();
      seen.set(milestone, at);
      if (reached[milestone] && !at.has(metadata.name)) at.set(metadata.name, Date.now());
    }
  }
}
