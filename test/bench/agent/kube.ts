// SPDX-License-Identifier: Apache-2.0
// The measuring program's way to the API server and, with a Secret and pod addresses from there, to the members.
import { Agent, request } from 'undici';
import { memberHost } from '../../../src/api/names.ts';
import type { ClientTls, Endpoint } from '../../../src/etcd/types.ts';
import { LineSplitter } from '../../../src/runtime/lines.ts';

export interface Access {
  url: string;
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

interface Pod {
  metadata: { name: string; deletionTimestamp?: string };
  status?: { podIP?: string };
}

export class KubeReader {
  readonly #url: string;
  readonly #dispatcher: Agent;

  constructor({ url, ca, cert, key }: Access) {
    this.#url = url;
    this.#dispatcher = new Agent({ connect: { ca, cert, key }, keepAliveTimeout: 60_000 });
  }

  /** Members of a cluster that have an address now. */
  async endpoints(namespace: string, name: string): Promise<Endpoint[]> {
    const list = await this.#get<{ items: Pod[] }>(podsOf(namespace, name));
    return (list?.items ?? []).flatMap((pod) => endpointOf(pod, namespace, name));
  }

  /**
   * The same, kept up to date by a watch until the signal fires: asking again and again would load the API server that the
   * measured pods wait for. What it returns throws when the watch has ended.
   */
  async follow(namespace: string, name: string, signal: AbortSignal): Promise<() => Endpoint[]> {
    const path = `${podsOf(namespace, name)}&watch=true&timeoutSeconds=600`;
    const { statusCode, body } = await request(`${this.#url}${path}`, { dispatcher: this.#dispatcher, signal });
    if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${(await body.text()).slice(0, 200)}`);
    const pods = new Map<string, Pod>();
    let ended: Error | undefined;
    const read = async (): Promise<never> => {
      const lines = new LineSplitter();
      for await (const chunk of body)
        for (const line of lines.push(chunk)) {
          const { type, object } = JSON.parse(line) as { type: string; object: Pod };
          if (type === 'ERROR') throw new Error(line.slice(0, 200));
          if (type === 'DELETED') pods.delete(object.metadata.name);
          else pods.set(object.metadata.name, object);
        }
      throw new Error('it was closed');
    };
    read().catch((e: unknown) => (ended = new Error(`the watch on the pods of ${name} ended`, { cause: e })));
    return () => {
      if (ended !== undefined) throw ended;
      return [...pods.values()].flatMap((pod) => endpointOf(pod, namespace, name));
    };
  }

  /** Undefined while the Secret is not there. */
  async tls(namespace: string, secret: string): Promise<ClientTls | undefined> {
    const found = await this.#get<{ data?: Record<string, string> }>(
      `/api/v1/namespaces/${namespace}/secrets/${secret}`,
    );
    const [ca, cert, key] = ['ca.crt', 'tls.crt', 'tls.key'].map((name) => {
      const text = found?.data?.[name];
      return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8');
    });
    return ca === undefined || cert === undefined || key === undefined ? undefined : { ca, cert, key };
  }

  async #get<T>(path: string): Promise<T | undefined> {
    const signal = AbortSignal.timeout(5_000);
    const { statusCode, body } = await request(`${this.#url}${path}`, { dispatcher: this.#dispatcher, signal });
    const text = await body.text();
    if (statusCode === 404) return undefined;
    if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text.slice(0, 200)}`);
    return JSON.parse(text) as T;
  }
}

const podsOf = (namespace: string, name: string): string =>
  `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(`etcd.quorate.dev/cluster=${name}`)}`;

function endpointOf({ metadata, status }: Pod, namespace: string, cluster: string): Endpoint[] {
  if (status?.podIP === undefined || metadata.deletionTimestamp !== undefined) return [];
  if (!new RegExp(`^${cluster}-[0-9]$`).test(metadata.name)) return [];
  return [{ name: metadata.name, host: status.podIP, serverName: memberHost(metadata.name, namespace) }];
}
