// SPDX-License-Identifier: Apache-2.0
// One connection to one member: dialled by IP, verified by DNS name, shared by both client libraries, replaceable.
import { Channel, type ChannelCredentials, type ChannelOptions, connectivityState, credentials } from '@grpc/grpc-js';
import { secureContext } from './context.ts';
import type { ClientTls, Endpoint } from './types.ts';

/** What a channel can do, without the private parts of grpc-js's own class. */
type Surface = Pick<Channel, keyof Channel>;

const DEFAULT_CLIENT_PORT = 2379;

/** A member that comes back is seen within half a second; one that stays away costs two connection attempts a second at most while it is asked. */
const BACKOFF: ChannelOptions = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 500 };

export const channelCredentials = (tls: ClientTls): ChannelCredentials =>
  credentials.createFromSecureContext(secureContext(tls));

export function clientAddress(e: Endpoint): string {
  const host = e.host.includes(':') ? `[${e.host}]` : e.host;
  return `${host}:${e.clientPort ?? DEFAULT_CLIENT_PORT}`;
}

export function dial(e: Endpoint, creds: ChannelCredentials, extra: ChannelOptions = {}): Channel {
  return new Channel(clientAddress(e), creds, {
    ...BACKOFF,
    'grpc.ssl_target_name_override': e.serverName,
    'grpc.default_authority': e.serverName,
    // A proxy variable in the environment must not move our traffic, and a broken connection must not be found in a pool.
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.max_receive_message_length': -1,
    ...extra,
  });
}

/**
 * A channel that its users cannot close and its owner can replace. etcd3 closes its channel after every error that it
 * thinks a new connection might cure; here the owner decides, because the same channel carries other calls.
 */
export class SharedChannel implements Surface {
  readonly #dial: () => Channel;
  #channel: Channel | undefined;
  #closed = false;

  constructor(open: () => Channel) {
    this.#dial = open;
  }

  /** Drops the connection: calls in flight end by themselves, the next call dials anew. */
  reset(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** For the owner; calls fail from now on. */
  end(): void {
    this.#closed = true;
    this.reset();
  }

  /** Users have no say. */
  close(): void {}

  getTarget(): string {
    return this.#open().getTarget();
  }

  getConnectivityState(tryToConnect: boolean): ReturnType<Channel['getConnectivityState']> {
    // Asked by etcd3 while it closes: the answer must not be an exception.
    return this.#closed ? connectivityState.SHUTDOWN : this.#open().getConnectivityState(tryToConnect);
  }

  watchConnectivityState(...args: Parameters<Channel['watchConnectivityState']>): void {
    this.#open().watchConnectivityState(...args);
  }

  getChannelzRef(): ReturnType<Channel['getChannelzRef']> {
    return this.#open().getChannelzRef();
  }

  createCall(...args: Parameters<Channel['createCall']>): ReturnType<Channel['createCall']> {
    return this.#open().createCall(...args);
  }

  #open(): Channel {
    if (this.#closed) throw new Error('14 UNAVAILABLE: the client is closed');
    this.#channel ??= this.#dial();
    return this.#channel;
  }
}
