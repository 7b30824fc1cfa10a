// SPDX-License-Identifier: Apache-2.0
// Remembers what our own writes returned until the watch has caught up, so that no pass decides on a world without them.
import { LABELS } from '../api/names.ts';
import { etcdClusters } from '../api/resources.ts';
import type { KubeObject, Ref } from '../runtime/json.ts';
import type { Resource } from '../runtime/resources.ts';
import type { Change } from '../runtime/store.ts';

/** An object that the watch does not show after this long was deleted by somebody: believe the watch. */
const TRUST_MS = 7_000;

interface Remembered {
  readonly object: KubeObject;
  readonly until: number;
}

const version = (o: KubeObject): bigint => {
  try {
    return BigInt(o.metadata.resourceVersion ?? '0');
  } catch {
    return 0n;
  }
};

export class OwnWrites {
  readonly #objects = new Map<string, Remembered>();
  /** UIDs of what we deleted, until when the watch may still show it. */
  readonly #deleted = new Map<string, number>();
  /** UIDs of what the watch showed the end of, and the last version of each that it had shown: our own write may be answered only then. */
  readonly #ended = new Map<string, { readonly version: bigint; readonly until: number }>();
  readonly #now: () => number;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  note<T extends KubeObject>(resource: Resource<T>, object: T): T {
    const ended = this.#ended.get(object.metadata.uid as string);
    const late = ended !== undefined && version(object) <= ended.version;
    if (!late) this.#objects.set(keyOf(resource, object.metadata), { object, until: this.#now() + TRUST_MS });
    return object;
  }

  /** The watch has caught up with what we wrote, or shows that it is gone: from now on the watch alone is believed. */
  shown<T extends KubeObject>(resource: Resource<T>, { before, after }: Change<T>): void {
    const seen = after ?? before;
    if (seen === undefined) return;
    if (after === undefined) this.#end(seen);
    const own = this.#objects.get(keyOf(resource, seen.metadata))?.object;
    if (own === undefined) return;
    const over = after === undefined ? seen.metadata.uid === own.metadata.uid : version(after) >= version(own);
    if (over) this.forget(resource, seen.metadata);
  }

  /** What we deleted and saw gone, though the watch may still show it. */
  noteGone<T extends KubeObject>(resource: Resource<T>, object: T): void {
    const now = this.#now();
    for (const [uid, until] of this.#deleted) if (until < now) this.#deleted.delete(uid);
    this.#deleted.set(object.metadata.uid as string, now + TRUST_MS);
    this.forget(resource, object.metadata);
  }

  /** What the cache lists, each as `newest` sees it. */
  current<T extends KubeObject>(resource: Resource<T>, listed: readonly T[]): T[] {
    return listed.map((o) => this.newest(resource, o.metadata, o)).filter((o) => o !== undefined);
  }

  /** The newer of what the cache holds and what we wrote or read ourselves; never an older state of the same object. */
  newest<T extends KubeObject>(resource: Resource<T>, ref: Ref, shown: T | undefined): T | undefined {
    const deleted = (this.#deleted.get(shown?.metadata.uid ?? '') ?? -1) >= this.#now();
    const cached = deleted ? undefined : shown;
    const key = keyOf(resource, ref);
    const own = this.#objects.get(key);
    if (own === undefined) return cached;
    const older = cached !== undefined && version(cached) < version(own.object);
    if (older && cached.metadata.uid === own.object.metadata.uid) return own.object as T;
    const caughtUp = cached !== undefined && !older;
    // What was about to go when we looked, and is not in the cache, is gone.
    const gone = cached === undefined && own.object.metadata.deletionTimestamp !== undefined;
    if (caughtUp || gone || own.until < this.#now()) {
      this.#objects.delete(key);
      return cached;
    }
    return own.object as T;
  }

  /** Milliseconds until the watch is believed about a write of this cluster that it does not show; Infinity if there is none. */
  dueInMs(namespace: string, cluster: string): number {
    const now = this.#now();
    const left = [...this.#objects].filter((entry) => isOf(entry, namespace, cluster));
    return Math.min(...left.map(([, { until }]) => until + 1 - now).filter((ms) => ms > 0));
  }

  /** Everything of a cluster that is gone. */
  forgetCluster(namespace: string, cluster: string): void {
    for (const entry of this.#objects) if (isOf(entry, namespace, cluster)) this.#objects.delete(entry[0]);
  }

  forget<T extends KubeObject>(resource: Resource<T>, ref: Ref): void {
    this.#objects.delete(keyOf(resource, ref));
  }

  #end(object: KubeObject): void {
    const now = this.#now();
    for (const [uid, { until }] of this.#ended) if (until < now) this.#ended.delete(uid);
    this.#ended.set(object.metadata.uid as string, { version: version(object), until: now + TRUST_MS });
  }
}

const keyOf = <T extends KubeObject>(r: Resource<T>, ref: Ref): string =>
  `${r.kind}/${ref.namespace ?? ''}/${ref.name}`;

/** The cluster itself, or what it owns. */
const isOf = ([key, { object }]: [string, Remembered], namespace: string, cluster: string): boolean =>
  key === keyOf(etcdClusters, { namespace, name: cluster }) ||
  (object.metadata.namespace === namespace && object.metadata.labels?.[LABELS.cluster] === cluster);
