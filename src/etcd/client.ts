// SPDX-License-Identifier: Apache-2.0
// The client of one member: etcd3 for keys, members, alarms and leadership, grpc-js for what etcd3 lacks, on one connection.
import {
  type Channel,
  type ChannelCredentials,
  Client,
  connectivityState,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
} from '@grpc/grpc-js';
import { Etcd3, type IOptions } from 'etcd3';
import { unary } from './call.ts';
import { channelCredentials, clientAddress, dial, SharedChannel } from './channel.ts';
import { EtcdError } from './errors.ts';
import { openSnapshot, type SnapshotStream } from './snapshotstream.ts';
import {
  type Alarm,
  type CallOptions,
  type ClientTls,
  decimalId,
  type Endpoint,
  hexId,
  type KeyspaceHash,
  type Member,
  type MemberStatus,
} from './types.ts';
import { bigintOf, hashKvRpc, type Rpc, statusRpc, unsignedOf } from './wire.ts';

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/** A key that nobody writes: outside of every name that a program would choose, and readable in an audit log. */
const ABSENT_KEY = '\0quorate/quorum-probe';

const EMPTY = new Metadata();

const NEVER = new AbortController().signal;

/** etcd3 would answer from memory for five seconds after a failure; a controller must see recovery at once. */
const NO_POLICY: Policy = {
  get _altReturn(): never {
    throw new Error('this property exists for the compiler only');
  },
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
  execute: async (act, signal = NEVER) => act({ signal }),
};

/** Every call rejects with EtcdError, and ends within `timeoutMs` (default 2000). */
export class MemberClient {
  readonly endpoint: Endpoint;
  readonly credentials: ChannelCredentials;
  readonly #channel: SharedChannel;
  readonly #etcd3: Etcd3;
  readonly #client: Client;

  constructor(endpoint: Endpoint, tls: ClientTls, creds: ChannelCredentials = channelCredentials(tls)) {
    this.endpoint = endpoint;
    this.credentials = creds;
    this.#channel = new SharedChannel((): Channel => dial(endpoint, creds));
    const channelOverride = this.#channel;
    // The address and credentials given to both libraries are unused: the channel has them.
    this.#client = new Client(clientAddress(endpoint), credentials.createInsecure(), { channelOverride });
    this.#etcd3 = new Etcd3({
      hosts: clientAddress(endpoint),
      grpcOptions: { channelOverride },
      faultHandling: { global: NO_POLICY, host: () => NO_POLICY },
    });
  }

  /** What the member knows of itself and of the leader. Needs no quorum. */
  async status(o: CallOptions = {}): Promise<MemberStatus> {
    const r = await this.#local('status', o, (g) => this.#invoke(statusRpc, {}, g));
    const quota = Number(bigintOf(r.dbSizeQuota));
    const leader = unsignedOf(r.leader);
    return {
      clusterId: hexId(unsignedOf(r.header.cluster_id)),
      memberId: hexId(unsignedOf(r.header.member_id)),
      leaderId: leader === 0n ? undefined : hexId(leader),
      raftTerm: unsignedOf(r.raftTerm),
      raftIndex: unsignedOf(r.raftIndex),
      raftAppliedIndex: unsignedOf(r.raftAppliedIndex),
      revision: bigintOf(r.header.revision),
      version: r.version,
      dbSize: Number(bigintOf(r.dbSize)),
      dbSizeInUse: Number(bigintOf(r.dbSizeInUse)),
      ...(quota === 0 ? {} : { dbSizeQuota: quota }),
      isLearner: r.isLearner,
      errors: r.errors,
    };
  }

  /** The member list: as a quorum agrees on it (`linearizable`), or as this member has applied it so far. */
  async members(o: CallOptions & { linearizable: boolean }): Promise<{ clusterId: string; members: Member[] }> {
    const ask = (g: GrpcCallOptions) => this.#etcd3.cluster.memberList({ linearizable: o.linearizable }, g);
    const r = await (o.linearizable ? this.#quorate('member list', o, ask) : this.#local('member list', o, ask));
    return {
      clusterId: hexId(r.header.cluster_id),
      members: r.members.map((m) => ({
        id: hexId(m.ID),
        name: m.name,
        peerUrls: m.peerURLs,
        clientUrls: m.clientURLs,
        isLearner: m.isLearner,
      })),
    };
  }

  /** A linearizable read of one absent key: when it succeeds, a quorum has just answered. */
  async read(o: CallOptions = {}): Promise<{ revision: bigint }> {
    const key = Buffer.from(ABSENT_KEY);
    const r = await this.#quorate('read', o, (g) => this.#etcd3.kv.range({ key, limit: 1, keys_only: true }, g));
    return { revision: BigInt(r.header.revision) };
  }

  async alarms(o: CallOptions = {}): Promise<Alarm[]> {
    const r = await this.#local('alarms', o, (g) => this.#etcd3.maintenance.alarm({ action: 'Get' }, g));
    return r.alarms.flatMap(({ memberID, alarm }): Alarm[] => {
      if (alarm === 'None') return [];
      return [{ memberId: hexId(memberID), type: alarm === 'Nospace' ? 'NOSPACE' : 'CORRUPT' }];
    });
  }

  /** The hash of all keys up to `revision` (0: the newest). Equal hashes need equal revision and compactRevision. */
  async hashKv(revision: bigint, o: CallOptions = {}): Promise<KeyspaceHash> {
    const request = { revision: revision.toString() };
    const r = await this.#local('hash', o, (g) => this.#invoke(hashKvRpc, request, g));
    return {
      hash: r.hash,
      compactRevision: bigintOf(r.compact_revision),
      hashRevision: bigintOf(r.hash_revision),
      revision: bigintOf(r.header.revision),
    };
  }

  /** To be asked of the leader: hands leadership to the member `targetId` (hexadecimal). */
  async moveLeader(targetId: string, o: CallOptions = {}): Promise<void> {
    const targetID = decimalId(targetId);
    await this.#quorate('move leader', o, (g) => this.#etcd3.maintenance.moveLeader({ targetID }, g));
  }

  /**
   * The whole database followed by its SHA-256, on a connection of its own. `timeoutMs` (default 30 000) limits the wait
   * for each piece, not the whole; the first piece has arrived when the promise resolves.
   */
  snapshot(o: CallOptions = {}): Promise<SnapshotStream> {
    return openSnapshot(this.endpoint, this.credentials, o);
  }

  close(): void {
    this.#etcd3.close();
    this.#client.close();
    this.#channel.end();
  }

  #invoke<R extends object>(rpc: Rpc<R>, request: object, options: GrpcCallOptions): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(rpc.path, rpc.encode, rpc.decode, request, EMPTY, options, (error, value) => {
        if (value === undefined) reject(error ?? new Error('no answer'));
        else resolve(value);
      });
    });
  }

  /** A call that the member answers alone: when it does not, the connection is dead, whatever TCP still hopes for. */
  #local<T>(what: string, o: CallOptions, start: (g: GrpcCallOptions) => Promise<T>): Promise<T> {
    return this.#call(what, o, start, () => true);
  }

  /** A call that needs other members: silence says nothing about a connection that stands. */
  #quorate<T>(what: string, o: CallOptions, start: (g: GrpcCallOptions) => Promise<T>): Promise<T> {
    return this.#call(what, o, start, () => this.#channel.getConnectivityState(false) !== connectivityState.READY);
  }

  async #call<T>(
    what: string,
    o: CallOptions,
    start: (g: GrpcCallOptions) => Promise<T>,
    isDead: () => boolean,
  ): Promise<T> {
    try {
      return await unary(`${this.endpoint.name}: ${what}`, o, start);
    } catch (e) {
      if (e instanceof EtcdError && e.code === 'DeadlineExceeded' && isDead()) this.#channel.reset();
      throw e;
    }
  }
}
