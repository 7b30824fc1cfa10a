// SPDX-License-Identifier: Apache-2.0
// Reads Secrets by name and remembers them: they are never listed or watched, and asked for at most every five minutes.
import type { KubeClient } from '../runtime/client.ts';
import { type Secret, secrets } from '../runtime/resources.ts';

/** With a pass every ten seconds, whatever happens to a Secret is seen within five minutes. */
const MAX_AGE_MS = 285_000;

export class SecretReader {
  readonly #client: KubeClient;
  readonly #known = new Map<string, { secret: Secret; at: number }>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** An absent Secret is asked for each time; it is about to be made, or somebody is waiting for it. */
  async read(namespace: string, name: string, signal: AbortSignal): Promise<Secret | undefined> {
    const key = `${namespace}/${name}`;
    const known = this.#known.get(key);
    if (known !== undefined && performance.now() - known.at < MAX_AGE_MS) return known.secret;
    const secret = await this.#client.find(secrets, { namespace, name }, { signal });
    if (secret === undefined) this.#known.delete(key);
    else this.note(secret);
    return secret;
  }

  note(secret: Secret): void {
    const { namespace, name } = secret.metadata;
    this.#known.set(`${namespace}/${name}`, { secret, at: performance.now() });
  }

  forget(namespace: string, name: string): void {
    this.#known.delete(`${namespace}/${name}`);
  }

  /** Forgets all Secrets of a cluster that is gone; names of its Secrets start with the cluster's. */
  forgetCluster(namespace: string, cluster: string): void {
    for (const key of this.#known.keys()) if (key.startsWith(`${namespace}/${cluster}-`)) this.#known.delete(key);
  }
}
