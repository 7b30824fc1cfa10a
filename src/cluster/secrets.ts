// SPDX-License-Identifier: Apache-2.0
// Reads Secrets by name and remembers them: they are never listed or watched, and asked for at most every five minutes.
import type { KubeClient } from '../runtime/client.ts';
import { type Secret, secrets } from '../runtime/resources.ts';

/** With a pass every ten seconds, whatever happens to a Secret is seen within five minutes. */
const MAX_AGE_MS = 285_000;

/** An absent Secret is about to be made by us, by a POST that takes nothing over: not asked for again at each step. */
const ABSENT_MS = 1_000;

export class SecretReader {
  readonly #client: KubeClient;
  readonly #absent = new Map<string, number>();
  readonly #known = new Map<string, { secret: Secret; at: number }>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** As it was within the last five minutes; an absence is believed for a second. */
  async read(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined> {
    const key = `${namespace}/${name}`;
    const known = this.#known.get(key);
    if (known !== undefined && performance.now() - known.at < MAX_AGE_MS) return known.secret;
    if (performance.now() - (this.#absent.get(key) ?? -ABSENT_MS) < ABSENT_MS) return undefined;
    const secret = await this.#client.find(secrets, { namespace, name }, { signal });
    if (secret === undefined) {
      this.#known.delete(key);
      this.#absent.set(key, performance.now());
    } else this.note(secret);
    return secret;
  }

  note(secret: Secret): void {
    const { namespace, name } = secret.metadata;
    this.#absent.delete(`${namespace}/${name}`);
    this.#known.set(`${namespace}/${name}`, { secret, at: performance.now() });
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
