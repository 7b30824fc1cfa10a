// SPDX-License-Identifier: Apache-2.0
// Keeps one client per member, and makes a new one when the member's address or our certificate changes.
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { MemberClient } from './client.ts';
import type { ClientTls, Endpoint } from './types.ts';

interface Entry {
  readonly client: MemberClient;
  readonly endpoint: Endpoint;
  readonly tls: ClientTls;
}

/** Members are told apart by their server name, which names the namespace too. */
export class ClientPool {
  readonly #entries = new Map<string, Entry>();

  /**
   * The client of this member. It stays valid until the member's address or `tls` changes, or `prune`. etcd3 and grpc-js
   * are loaded with the first: they would take a tenth of the operator's start.
   */
  async get(endpoint: Endpoint, tls: ClientTls): Promise<MemberClient> {
    const { MemberClient } = await import('./client.ts');
    const known = this.#entries.get(endpoint.serverName);
    if (known !== undefined && sameAddress(known.endpoint, endpoint) && sameTls(known.tls, tls)) return known.client;
    const client = new MemberClient(endpoint, tls, this.#credentials(tls));
    this.#entries.set(endpoint.serverName, { client, endpoint, tls });
    known?.client.close();
    return client;
  }

  /** Closes every client whose server name `keep` does not want. */
  prune(keep: (serverName: string) => boolean): void {
    for (const [key, { client }] of this.#entries) {
      if (keep(key)) continue;
      this.#entries.delete(key);
      client.close();
    }
  }

  close(): void {
    this.prune(() => false);
  }

  /** The members of one cluster share one parsed certificate. */
  #credentials(tls: ClientTls): ChannelCredentials | undefined {
    return [...this.#entries.values()].find((entry) => sameTls(entry.tls, tls))?.client.credentials;
  }
}

const sameAddress = (a: Endpoint, b: Endpoint): boolean =>
  a.host === b.host && a.clientPort === b.clientPort && a.name === b.name;

const sameTls = (a: ClientTls, b: ClientTls): boolean => a.cert === b.cert && a.key === b.key && a.ca === b.ca;
