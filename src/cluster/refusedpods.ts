// SPDX-License-Identifier: Apache-2.0
// Finds out, seldom, why the StatefulSet controller cannot make a pod (quota, Pod Security, a webhook): only Events tell.
import type { KubeClient } from '../runtime/client.ts';
import { type Event, events } from '../runtime/resources.ts';
import type { Observed } from './observed.ts';

/** A missing pod is worth a question to the API only when its StatefulSet had this long to make it, in milliseconds. */
const POD_DUE_MS = 2_000;

/** An answer is believed for so long: what stood against a pod seldom changes faster. */
const ASK_AGAIN_MS = 10_000;

const lastSeen = (e: Event): number =>
  Date.parse(
    e.series?.lastObservedTime ?? e.deprecatedLastTimestamp ?? e.eventTime ?? e.metadata.creationTimestamp ?? '',
  );

export class RefusedPods {
  readonly #client: Pick<KubeClient, 'list'>;
  /** By UID of the StatefulSet. */
  readonly #asked = new Map<string, { readonly at: number; readonly found: Event[] }>();

  constructor(client: Pick<KubeClient, 'list'>) {
    this.#client = client;
  }

  /** In the API server's words; undefined when no pod is missing, or none was refused since the last one was made. */
  async why(
    { children, pods, now }: Pick<Observed, 'children' | 'pods' | 'now'>,
    wanted: number,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const set = children.find((c) => c.child.resource.kind === 'StatefulSet')?.live;
    const age = now.getTime() - Date.parse(set?.metadata.creationTimestamp ?? now.toISOString());
    if (set === undefined || pods.length >= wanted || age < POD_DUE_MS) return undefined;
    const { namespace, name, uid = '' } = set.metadata;
    for (const [key, { at }] of this.#asked) if (now.getTime() - at >= ASK_AGAIN_MS) this.#asked.delete(key);
    const fieldSelector = `regarding.kind=StatefulSet,regarding.name=${name},reason=FailedCreate`;
    const found =
      this.#asked.get(uid)?.found ??
      (await this.#client.list(
        events,
        { ...(namespace === undefined ? {} : { namespace }), fieldSelector },
        { signal },
      ));
    if (!this.#asked.has(uid)) this.#asked.set(uid, { at: now.getTime(), found });
    const since = Math.max(...pods.map((p) => Date.parse(p.metadata.creationTimestamp ?? '')), 0);
    // A pod that was made after the refusal shows that the cause is gone.
    const fresh = found
      .filter((e) => e.regarding?.uid === uid && lastSeen(e) > since)
      // Not refused, only too early: a claim on its way out is followed by another one.
      .filter((e) => !/pvc \S+ is being deleted/.test(e.note ?? ''))
      .toSorted((a, b) => lastSeen(a) - lastSeen(b));
    return fresh.at(-1)?.note;
  }
}
