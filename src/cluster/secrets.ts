// SPDX-License-Identifier: Apache-2.0
// Reads Secrets by name and remembers them: they are never listed or watched, and asked for once in five minutes.
import { LABELS } from '../api/names.ts';
import type { KubeClient } from '../runtime/client.ts';
import { unlessAborted } from '../runtime/deadline.ts';
import { type Secret, secrets } from '../runtime/resources.ts';

/** Two seconds less than five minutes, to put back what is found. */
const MAX_AGE_MS = 298_000;

/** Those that grow old within this time of each other are asked for in the same pass. */
const SAME_PASS_MS = 1_000;

/** An absent Secret is about to be made by us, by a POST that takes nothing over: not asked for again at each step. */
const ABSENT_MS = 1_000;

export class SecretReader {
  readonly #client: Pick<KubeClient, 'find'>;
  readonly #absent = new Map<string, number>();
  readonly #known = new Map<string, { secret: Secret; at: number }>();
  /** The last of those that are asked for again, by namespace. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(client: Pick<KubeClient, 'find'>) {
    this.#client = client;
  }

  /** As it was within the last five minutes; an absence is believed for a second. */
  async read(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined> {
    const key = `${namespace}/${name}`;
    const known = this.#known.get(key);
    if (known !== undefined && performance.now() - known.at < MAX_AGE_MS - SAME_PASS_MS) return known.secret;
    if (performance.now() - (this.#absent.get(key) ?? -ABSENT_MS) < ABSENT_MS) return undefined;
    const ask = () => this.#client.find(secrets, { namespace, name }, { signal });
    const secret = await (known === undefined ? ask() : unlessAborted(this.#inTurn(namespace, ask), signal));
    if (secret === undefined) {
      this.#known.delete(key);
      this.#absent.set(key, performance.now());
      return undefined;
    }
    // The same bytes stay the same object, and with it what was worked out from its certificates.
    const same = known !== undefined && known.secret.metadata.resourceVersion === secret.metadata.resourceVersion;
    const newest = same ? known.secret : secret;
    this.#keep(newest, performance.now());
    return newest;
  }

  /** Clusters that were made together grow old together: asked for at once, each would open a connection of its own. */
  async #inTurn<T>(namespace: string, ask: () => Promise<T>): Promise<T> {
    const mine = (this.#turns.get(namespace) ?? Promise.resolve()).then(ask);
    const done = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#turns.set(namespace, done);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(namespace) === done) this.#turns.delete(namespace);
    }
  }

  /** Milliseconds until the first of these has to be read again; Infinity if none is known. */
  dueInMs(namespace: string, names: readonly string[]): number {
    const read = names.flatMap((name) => this.#known.get(`${namespace}/${name}`)?.at ?? []);
    return Math.max(0, Math.min(...read) + MAX_AGE_MS - performance.now());
  }

  /**
   * As the answer to our own write shows it. It counts as old as the oldest of its cluster: they are written one after the
   * other, and to read each at a time of its own would cost as many looks at the members.
   */
  note(secret: Secret): void {
    const beside = [...this.#known.values()].filter((k) => clusterOf(k.secret) === clusterOf(secret));
    this.#keep(secret, Math.min(performance.now(), ...beside.map(({ at }) => at)));
  }

  #keep(secret: Secret, at: number): void {
    const { namespace, name } = secret.metadata;
    this.#absent.delete(`${namespace}/${name}`);
    this.#known.set(`${namespace}/${name}`, { secret, at });
  }

  forget(namespace: string, name: string): void {
    this.#known.delete(`${namespace}/${name}`);
    this.#absent.delete(`${namespace}/${name}`);
  }

  /** Forgets all Secrets of a cluster that is gone; names of its Secrets start with the cluster's. */
  forgetCluster(namespace: string, cluster: string): void {
    for (const map of [this.#known, this.#absent]) {
      for (const key of map.keys()) if (key.startsWith(`${namespace}/${cluster}-`)) map.delete(key);
    }
  }
}

const clusterOf = ({ metadata }: Secret): string => `${metadata.namespace}/${metadata.labels?.[LABELS.cluster]}`;
