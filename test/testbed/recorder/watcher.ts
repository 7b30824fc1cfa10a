// SPDX-License-Identifier: Apache-2.0
// The recorder's watcher: follows its prefix over any member, resuming where it stopped, as etcd clients do.
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { SeenEvent } from './history.ts';
import { type MemberChannel, type Members, requireLeader } from './members.ts';

interface WatchResponse {
  header: { revision: string };
  canceled: boolean;
  compact_revision: string;
  events: { type: 'Put' | 'Delete' | 'PUT' | 'DELETE'; kv: { key: Buffer; mod_revision: string } }[];
}

type WatchCall = ClientDuplexStream<object, WatchResponse>;

export class Watcher {
  readonly seen: SeenEvent[] = [];
  /** A compaction overtook the watcher: events may be missing. */
  gap = false;
  private readonly members: Members;
  private readonly prefix: string;
  private readonly stopped = new AbortController();
  private next = 1n;

  constructor(members: Members, prefix: string) {
    this.members = members;
    this.prefix = prefix;
  }

  async run(): Promise<void> {
    const { signal } = this.stopped;
    for (let turn = 0; !signal.aborted; turn += 1) {
      const members = this.members.list();
      const member = members[turn % members.length];
      if (member) await this.follow(member);
      await delay(100, undefined, { signal }).catch(() => undefined);
    }
  }

  close(): void {
    this.stopped.abort();
  }

  /** Resolves when the stream ends, whatever ended it. */
  private follow(member: MemberChannel): Promise<void> {
    return new Promise((resolve) => {
      const stream: WatchCall = Reflect.get(member.watch, 'Watch').call(member.watch, requireLeader);
      const cancel = () => stream.cancel();
      const end = () => {
        this.stopped.signal.removeEventListener('abort', cancel);
        resolve();
      };
      this.stopped.signal.addEventListener('abort', cancel, { once: true });
      stream.on('data', (response: WatchResponse) => this.receive(response, stream));
      stream.on('error', end);
      stream.on('end', end);
      const key = Buffer.from(this.prefix);
      const rangeEnd = prefixEnd(this.prefix);
      stream.write({ create_request: { key, range_end: rangeEnd, start_revision: String(this.next) } });
    });
  }

  private receive(response: WatchResponse, stream: WatchCall): void {
    const compacted = BigInt(response.compact_revision);
    if (compacted > 0n) {
      this.gap = true;
      if (compacted > this.next) this.next = compacted;
    }
    for (const { type, kv } of response.events) {
      const revision = BigInt(kv.mod_revision);
      this.seen.push({ key: kv.key.toString(), type: type.toUpperCase() === 'PUT' ? 'PUT' : 'DELETE', revision });
      this.next = revision + 1n;
    }
    if (response.canceled) stream.cancel();
  }
}

/** The end of the range of all keys with this prefix. */
export function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return end;
}
