// SPDX-License-Identifier: Apache-2.0
// The measuring program's way to the API server and, with a Secret and pod addresses from there, to the members.
import { Agent, request } from 'undici';
import { memberHost } from '../../../src/api/names.ts';
import type { ClientTls, Endpoint } from '../../../src/etcd/types.ts';

export interface Access {
  url: string;
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

interface PodList {
  items: { metadata: { name: string; deletionTimestamp?: string }; status?: { podIP?: string } }[];
}

export class KubeReader {
  readonly #url: string;
  readonly #dispatcher: Agent;

  constructor({ url, ca, cert, key }: Access) {
    this.#url = url;
    this.#dispatcher = new Agent({ connect: { ca, cert, key }, keepAliveTimeout: 60_000 });
  }

  /** Members of a cluster that have an address. */
  async endpoints(namespace: string, name: string): Promise<Endpoint[]> {
    const selector = encodeURIComponent(`etcd.quorate.dev/cluster=${name}`);
    const list = await this.#get<PodList>(`/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`);
    const members = new RegExp(`^${name}-[0-9]$`);
    return (list?.items ?? []).flatMap(({ metadata, status }) =>
      status?.podIP === undefined || metadata.deletionTimestamp !== undefined || !members.test(metadata.name)
        ? []
        : [{ name: metadata.name, host: status.podIP, serverName: memberHost(metadata.name, namespace) }],
    );
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
