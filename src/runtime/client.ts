// SPDX-License-Identifier: Apache-2.0
// A small typed client for the Kubernetes API.
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { KubeAuth } from './auth.ts';
import { KubeError } from './errors.ts';
import type { KubeObject, Ref } from './json.ts';
import { apiVersionOf, pathOf, type Resource } from './resources.ts';
import { type CallOptions, type Fence, Transport } from './transport.ts';

export { pause } from './deadline.ts';
export type { CallOptions } from './transport.ts';

export interface ListQuery {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** What becomes of what the object owns; unless told otherwise it goes afterwards, by itself. */
export type Propagation = 'Background' | 'Foreground' | 'Orphan';

export interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: T[];
}

const FIELD_MANAGER = 'quorate';
const PAGE = '500';

/**
 * Throws KubeError only. `Timeout` and `Unavailable` leave open whether a write was carried out; `Fenced` and
 * `TooManyRequests` say that it was not. Conflicts are the caller's: nothing is repeated on them.
 */
export class KubeClient {
  readonly #transport: Transport;

  constructor(o: { auth: KubeAuth; log?: Logger; metrics?: Metrics }) {
    this.#transport = new Transport(o);
  }

  /** From now on every write outside the election asks first. */
  setFence(fence: Fence): void {
    this.#transport.setFence(fence);
  }

  async get<T extends KubeObject>(r: Resource<T>, ref: Ref, o: CallOptions = {}): Promise<T> {
    return this.#transport.call({ method: 'GET', path: pathOf(r, ref.namespace, ref.name) }, o);
  }

  /** A live read; undefined when there is no such object. */
  async find<T extends KubeObject>(r: Resource<T>, ref: Ref, o: CallOptions = {}): Promise<T | undefined> {
    try {
      return await this.get(r, ref, o);
    } catch (e) {
      if (e instanceof KubeError && e.code === 'NotFound') return undefined;
      throw e;
    }
  }

  /** Everything, page by page, from the newest state. */
  async list<T extends KubeObject>(r: Resource<T>, q: ListQuery, o: CallOptions = {}): Promise<T[]> {
    return (await this.listAll(r, q, o)).items;
  }

  /** The same with its version. A list whose next page has expired is begun once more. */
  async listAll<T extends KubeObject>(r: Resource<T>, q: ListQuery, o: CallOptions = {}): Promise<ListPage<T>> {
    try {
      return await this.#pages(r, q, o);
    } catch (e) {
      if (e instanceof KubeError && e.code === 'Gone') return this.#pages(r, q, o);
      throw e;
    }
  }

  async #pages<T extends KubeObject>(r: Resource<T>, q: ListQuery, o: CallOptions): Promise<ListPage<T>> {
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const query = { ...selectors(q), limit: PAGE, ...(next === undefined ? {} : { continue: next }) };
      const page: ListPage<T> = await this.#transport.call({ method: 'GET', path: pathOf(r, q.namespace), query }, o);
      // Items of a list do not say what they are; those of a watch do.
      for (const item of page.items) items.push({ ...item, apiVersion: apiVersionOf(r), kind: r.kind });
      next = page.metadata.continue;
      if (next === undefined || next === '') return { metadata: page.metadata, items };
    }
  }

  async create<T extends KubeObject>(r: Resource<T>, object: T, o: CallOptions = {}): Promise<T> {
    const path = pathOf(r, object.metadata.namespace);
    const body = { ...object, apiVersion: apiVersionOf(r), kind: r.kind };
    return this.#transport.call({ method: 'POST', path, query: { fieldManager: FIELD_MANAGER }, body }, o);
  }

  /** Server-side apply; `metadata.uid` and `metadata.resourceVersion` act as preconditions. */
  async apply<T extends KubeObject>(
    r: Resource<T>,
    object: T,
    o: CallOptions & { readonly force?: boolean; readonly subresource?: 'status' | 'scale' } = {},
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const body = { ...object, apiVersion: apiVersionOf(r), kind: r.kind };
    const query = { fieldManager: FIELD_MANAGER, force: String(o.force ?? true) };
    const path = pathOf(r, namespace, name, o.subresource);
    return this.#transport.call({ method: 'PATCH', path, query, body, contentType: 'application/apply-patch+yaml' }, o);
  }

  /** PUT; needs the resourceVersion that was read, or throws `Invalid` without asking: some kinds would be overwritten. */
  async update<T extends KubeObject>(
    r: Resource<T>,
    object: T,
    o: CallOptions & { readonly subresource?: 'status' } = {},
  ): Promise<T> {
    const { namespace, name, resourceVersion } = object.metadata;
    if (!resourceVersion)
      throw new KubeError('Invalid', `${r.kind} ${name}: an update needs the version that was read`);
    const body = { ...object, apiVersion: apiVersionOf(r), kind: r.kind };
    const path = pathOf(r, namespace, name, o.subresource);
    return this.#transport.call({ method: 'PUT', path, query: { fieldManager: FIELD_MANAGER }, body }, o);
  }

  /** JSON merge patch. */
  async patch<T extends KubeObject>(r: Resource<T>, ref: Ref, merge: object, o: CallOptions = {}): Promise<T> {
    const path = pathOf(r, ref.namespace, ref.name);
    const query = { fieldManager: FIELD_MANAGER };
    return this.#transport.call(
      { method: 'PATCH', path, query, body: merge, contentType: 'application/merge-patch+json' },
      o,
    );
  }

  /**
   * Deletes what was read: another object of that name, or another version of it, is a `Conflict`. Succeeds when it is gone
   * already; throws `Invalid` without asking when it was never read.
   */
  async delete<T extends KubeObject>(
    r: Resource<T>,
    live: T,
    o: CallOptions & { readonly propagation?: Propagation } = {},
  ): Promise<void> {
    const { namespace, name, uid, resourceVersion } = live.metadata;
    if (!uid || !resourceVersion)
      throw new KubeError('Invalid', `${r.kind} ${name}: a deletion needs the UID and the version that were read`);
    const body = {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      preconditions: { uid, resourceVersion },
      propagationPolicy: o.propagation ?? 'Background',
    };
    try {
      await this.#transport.call({ method: 'DELETE', path: pathOf(r, namespace, name), body }, o);
    } catch (e) {
      if (!(e instanceof KubeError && e.code === 'NotFound')) throw e;
    }
  }

  /** Opens a watch and returns its body; the caller ends it by the signal. `sending` is called when it need not wait any more. */
  async watch<T extends KubeObject>(
    r: Resource<T>,
    q: ListQuery,
    extra: Record<string, string>,
    signal: AbortSignal,
    sending: () => void,
  ): Promise<AsyncIterable<Uint8Array>> {
    const query = { ...selectors(q), ...extra, watch: 'true', allowWatchBookmarks: 'true' };
    return this.#transport.open({ method: 'GET', path: pathOf(r, q.namespace), query }, signal, sending);
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }
}

function selectors(q: ListQuery): Record<string, string> {
  return {
    ...(q.labelSelector === undefined ? {} : { labelSelector: q.labelSelector }),
    ...(q.fieldSelector === undefined ? {} : { fieldSelector: q.fieldSelector }),
  };
}
