// SPDX-License-Identifier: Apache-2.0
// The members of one cluster as the recorder reaches them: pod addresses from the API server, one gRPC channel each.
import { request } from 'node:https';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type * as grpc from '@grpc/grpc-js';
import { Client, credentials, loadPackageDefinition, Metadata, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { RecorderSpec } from './protocol.ts';

/** The API server and an identity that may list pods. */
export interface KubeAccess {
  url: string;
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

export interface MemberChannel {
  /** Pod name, which is the member's name. */
  name: string;
  address: string;
  kv: Client;
  watch: Client;
  maintenance: Client;
  cluster: Client;
}

const protos = path.resolve(import.meta.dirname, '../../../node_modules/etcd3/proto/rpc.proto');
const services = loadPackageDefinition(
  loadSync(protos, { keepCase: true, longs: String, enums: String, defaults: true }),
);

function service(name: string): grpc.ServiceClientConstructor {
  const found = Reflect.get(services.etcdserverpb ?? {}, name);
  if (typeof found !== 'function') throw new Error(`no gRPC service ${name}`);
  return found;
}

/** etcd refuses a call on a member without a leader at once if asked so, instead of letting it wait. */
export const requireLeader = new Metadata();
requireLeader.set('hasleader', 'true');

const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
};

/** Keeps the list of members fresh; a pod that moved gets a new channel. While the API server is away the old list stays. */
export class Members {
  private readonly spec: RecorderSpec;
  private readonly access: KubeAccess;
  private channels = new Map<string, MemberChannel>();
  private readonly stopped = new AbortController();
  /** Why the list is not fresh, or empty; `''` if it is neither. */
  problem = 'no member pod was looked up yet';

  constructor(spec: RecorderSpec, access: KubeAccess) {
    this.spec = spec;
    this.access = access;
  }

  /** Refreshes four times a second until `close`. */
  async run(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      await this.refresh().catch((error: unknown) => {
        this.problem = String(error);
      });
      await delay(250, undefined, { signal }).catch(() => undefined);
    }
  }

  list(): MemberChannel[] {
    return [...this.channels.values()];
  }

  close(): void {
    this.stopped.abort();
    for (const channel of this.channels.values()) closeChannel(channel);
    this.channels.clear();
  }

  private async refresh(): Promise<void> {
    const { namespace, cluster } = this.spec;
    const selector = `etcd.quorate.dev/cluster=${cluster},app.kubernetes.io/component=member`;
    const list = await getJson<PodList>(
      this.access,
      `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`,
    );
    const next = new Map<string, MemberChannel>();
    for (const { metadata, status } of list.items) {
      if (!status?.podIP) continue;
      const known = this.channels.get(metadata.name);
      next.set(metadata.name, known?.address === status.podIP ? known : this.dial(metadata.name, status.podIP));
    }
    for (const [name, channel] of this.channels) if (next.get(name) !== channel) closeChannel(channel);
    this.channels = next;
    this.problem = next.size === 0 ? 'no member pod has an address' : '';
  }

  private dial(name: string, address: string): MemberChannel {
    const { namespace, tls } = this.spec;
    const secure = credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert));
    const options = { ...channelOptions, 'grpc.ssl_target_name_override': `${name}.${namespace}.svc` };
    const client = (kind: string) => new (service(kind))(`${address}:2379`, secure, options);
    return {
      name,
      address,
      kv: client('KV'),
      watch: client('Watch'),
      maintenance: client('Maintenance'),
      cluster: client('Cluster'),
    };
  }
}

function closeChannel({ kv, watch, maintenance, cluster }: MemberChannel): void {
  for (const client of [kv, watch, maintenance, cluster]) client.close();
}

interface PodList {
  items: { metadata: { name: string }; status?: { podIP?: string } }[];
}

function getJson<T>(access: KubeAccess, pathname: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const { ca, cert, key } = access;
    const req = request(new URL(pathname, access.url), { ca, cert, key, timeout: 2000 }, (res) => {
      text(res)
        .then((body) => {
          if (res.statusCode !== 200) throw new Error(`${pathname}: ${res.statusCode}`);
          const value: T = JSON.parse(body);
          return resolve(value);
        })
        .catch(reject);
    });
    req.on('timeout', () => req.destroy(new Error(`${pathname}: no answer in 2 s`)));
    req.on('error', reject);
    req.end();
  });
}

type Unary<T> = (
  request: object,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  done: (error: ServiceError | null, reply: T) => void,
) => void;

/** One unary call; rejects with gRPC's ServiceError, at the latest after `timeoutMs` milliseconds. */
export function call<T>(
  client: Client,
  method: string,
  message: object,
  metadata: grpc.Metadata,
  timeoutMs: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const unary: Unary<T> = Reflect.get(client, method).bind(client);
    unary(message, metadata, { deadline: Date.now() + timeoutMs }, (error, reply) =>
      error ? reject(error) : resolve(reply),
    );
  });
}
