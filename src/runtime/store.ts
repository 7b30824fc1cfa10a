// SPDX-License-Identifier: Apache-2.0
// The cache of one kind: what the watch has shown so far, and who wants to know when it changes.
import { type KubeObject, type Ref, refKey } from './json.ts';
import { isOlder } from './watchstate.ts';

export interface Store<T> {
  get(ref: Ref): T | undefined;
  list(namespace?: string): T[];
  /** The first list is complete. */
  readonly synced: boolean;
  /** Monotonic milliseconds of the last data on the most silent watch. */
  readonly lastContact: number;
}

export interface Change<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/**
 * What changes when one object is seen: nothing for an older version than the one known, also when it is that of an earlier
 * object of the name; two changes when an object of another UID took the name while nobody was looking.
 */
function changesOf<T extends KubeObject>(before: T | undefined, after: T): Change<T>[] {
  if (before === undefined) return [{ before, after }];
  const [known, seen] = [before.metadata, after.metadata];
  if (seen.resourceVersion === known.resourceVersion && seen.uid === known.uid) return [];
  if (isOlder(seen.resourceVersion, known.resourceVersion)) return [];
  if (known.uid === seen.uid) return [{ before, after }];
  return [
    { before, after: undefined },
    { before: undefined, after },
  ];
}

export class ObjectStore<T extends KubeObject> implements Store<T> {
  readonly #objects = new Map<string, T>();
  readonly #listeners: ((change: Change<T>) => void)[] = [];
  readonly #parts = new Map<string, { synced: boolean; contact: number; refused?: string | undefined }>();
  readonly #viewListeners: ((part: string) => void)[] = [];
  readonly #onListenerError: (e: unknown) => void;

  constructor(onListenerError: (e: unknown) => void) {
    this.#onListenerError = onListenerError;
  }

  get synced(): boolean {
    return this.#parts.size > 0 && [...this.#parts.values()].every((p) => p.synced);
  }

  get lastContact(): number {
    return Math.min(...[...this.#parts.values()].map((p) => p.contact));
  }

  get(ref: Ref): T | undefined {
    return this.#objects.get(refKey(ref));
  }

  list(namespace?: string): T[] {
    const all = [...this.#objects.values()];
    return namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace);
  }

  onChange(listener: (change: Change<T>) => void): void {
    this.#listeners.push(listener);
  }

  /** Called when a part has had its first complete list, and when the right to watch it went or came back. */
  onView(listener: (part: string) => void): void {
    this.#viewListeners.push(listener);
  }

  /** Whether what is known of a namespace is complete. */
  syncedIn(namespace: string): boolean {
    return this.#partOf(namespace)?.synced ?? false;
  }

  /** Why the API server does not let us see a namespace, in its words; undefined while it does. */
  refusedIn(namespace: string): string | undefined {
    return this.#partOf(namespace)?.refused;
  }

  #partOf(namespace: string) {
    return this.#parts.get('') ?? this.#parts.get(namespace);
  }

  /** All reasons for which a part may not be seen. */
  get refusals(): string[] {
    return [...this.#parts.values()].flatMap(({ refused }) => (refused === undefined ? [] : [refused]));
  }

  /** A part is one watch: one namespace, or all (''). */
  expect(part: string): void {
    this.#parts.set(part, { synced: false, contact: performance.now() });
  }

  contact(part: string): void {
    const p = this.#parts.get(part);
    if (p !== undefined) p.contact = performance.now();
  }

  /** The API server does not let us watch a part, or does again (undefined). */
  refuse(part: string, why: string | undefined): void {
    const p = this.#parts.get(part);
    if (p === undefined || p.refused === why) return;
    p.refused = why;
    this.#viewChanged(part);
  }

  #viewChanged(part: string): void {
    for (const listener of this.#viewListeners) listener(part);
  }

  /**
   * A complete list: what is not in it is gone. Objects that live on are never reported as deleted. With `reset` also older
   * versions than those known are taken.
   */
  replace(part: string, objects: readonly T[], reset = false): void {
    const seen = new Set(objects.map((o) => refKey(o.metadata)));
    for (const o of objects) {
      if (reset) this.#set(o);
      else this.upsert(o);
    }
    for (const [key, o] of this.#objects) {
      if (!seen.has(key) && (part === '' || o.metadata.namespace === part)) this.#drop(key, o);
    }
    this.contact(part);
    const p = this.#parts.get(part);
    if (p === undefined || p.synced) return;
    p.synced = true;
    this.#viewChanged(part);
  }

  #set(after: T): void {
    const before = this.#objects.get(refKey(after.metadata));
    this.#objects.set(refKey(after.metadata), after);
    this.#tell({ before, after });
  }

  upsert(o: T): void {
    const key = refKey(o.metadata);
    for (const change of changesOf(this.#objects.get(key), o)) {
      if (change.after !== undefined) this.#objects.set(key, change.after);
      this.#tell(change);
    }
  }

  /** Only the very object that was deleted: a late event of an older UID must not remove its successor. */
  remove(o: T): void {
    const key = refKey(o.metadata);
    const known = this.#objects.get(key);
    if (known !== undefined && known.metadata.uid === o.metadata.uid) this.#drop(key, known);
  }

  #drop(key: string, before: T): void {
    this.#objects.delete(key);
    this.#tell({ before, after: undefined });
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (e) {
        this.#onListenerError(e);
      }
    }
  }
}
