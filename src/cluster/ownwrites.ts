// SPDX-License-Identifier: Apache-2.0
// Remembers what our own writes returned until the watch has caught up, so that no pass decides on a world without them.
import type { KubeObject, Ref } from '../runtime/json.ts';
import type { Resource } from '../runtime/resources.ts';

/** A write that the watch has not shown after this long was undone by somebody: believe the watch. */
const TRUST_MS = 10_000;

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
  readonly #now: () => number;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  note<T extends KubeObject>(resource: Resource<T>, object: T): T {
    this.#objects.set(keyOf(resource, object.metadata), { object, until: this.#now() + TRUST_MS });
    return object;
  }

  /** The newer of what the cache holds and what we wrote ourselves. */
  newest<T extends KubeObject>(resource: Resource<T>, ref: Ref, cached: T | undefined): T | undefined {
    const key = keyOf(resource, ref);
    const own = this.#objects.get(key);
    if (own === undefined) return cached;
    const caughtUp = cached !== undefined && version(cached) >= version(own.object);
    if (caughtUp || own.until < this.#now()) {
      this.#objects.delete(key);
      return cached;
    }
    return own.object as T;
  }

  forget<T extends KubeObject>(resource: Resource<T>, ref: Ref): void {
    this.#objects.delete(keyOf(resource, ref));
  }
}

const keyOf = <T extends KubeObject>(r: Resource<T>, ref: Ref): string =>
  `${r.kind}/${ref.namespace ?? ''}/${ref.name}`;
