// SPDX-License-Identifier: Apache-2.0
// One recording client: writes unique keys to whichever member answers and keeps what was acknowledged.

import { setTimeout as delay } from 'node:timers/promises';
import type { Ack } from './history.ts';
import { call, type KubeAccess, type MemberChannel, Members, requireLeader } from './members.ts';
import type { RecorderCounts, RecorderSpec } from './protocol.ts';
import { Watcher } from './watcher.ts';

const writeTimeoutMs = 3000;
const mostInFlight = 16;
export class Recorder {
  readonly id: string;
  readonly prefix: string;
  readonly members: Members;
  readonly watcher: Watcher;
  readonly attempted = new Set<string>();
  readonly acks: Ack[] = [];
  private readonly rate: number;
  private readonly inFlight = new Set<Promise<void>>();
  private readonly stopped = new AbortController();
  private unknown = 0;
  private revision = 0n;
  private lastAck: number | undefined;
  private longestGapMs = 0;
  private lastError = '';
  private running: Promise<unknown> = Promise.resolve();

  constructor(id: string, spec: RecorderSpec, access: KubeAccess) {
    this.id = id;
    this.prefix = `recorder/${id}/`;
    this.rate = spec.rate ?? 50;
    this.members = new Members(spec, access);
    this.watcher = new Watcher(this.members, this.prefix);
  }

  start(): void {
    void this.members.run();
    this.running = this.write();
    void this.watcher.run();
  }

  counts(): RecorderCounts {
    const now = performance.now();
    return {
      id: this.id,
      attempted: this.attempted.size,
      acknowledged: this.acks.length,
      unknown: this.unknown,
      watched: this.watcher.seen.length,
      revision: String(this.revision),
      ...(this.lastAck === undefined ? {} : { sinceLastAckMs: now - this.lastAck }),
      longestGapMs: this.longestGapMs,
      lastError: this.lastError || this.members.problem,
    };
  }

  /** No write begins after this; those under way are waited for. */
  async stop(): Promise<void> {
    this.stopped.abort();
    await this.running;
    await Promise.all(this.inFlight);
  }

  close(): void {
    this.stopped.abort();
    this.watcher.close();
    this.members.close();
  }

  private async write(): Promise<void> {
    const { signal } = this.stopped;
    for (let turn = 0; !signal.aborted; turn += 1) {
      const members = this.members.list();
      const member = members[turn % members.length];
      if (member && this.inFlight.size < mostInFlight) this.launch(member);
      await delay(1000 / this.rate, undefined, { signal }).catch(() => undefined);
    }
  }

  private launch(member: MemberChannel): void {
    const write = this.put(member).finally(() => this.inFlight.delete(write));
    this.inFlight.add(write);
  }

  private async put(member: MemberChannel): Promise<void> {
    const number = this.attempted.size;
    const key = `${this.prefix}${String(number).padStart(8, '0')}`;
    const value = `${this.id}-${number}-${Math.random().toString(36).slice(2)}`;
    this.attempted.add(key);
    const startedAt = performance.now();
    try {
      const message = { key: Buffer.from(key), value: Buffer.from(value) };
      const reply = await call<{ header: { revision: string } }>(
        member.kv,
        'Put',
        message,
        requireLeader,
        writeTimeoutMs,
      );
      this.acknowledge({ key, value, revision: BigInt(reply.header.revision), startedAt, endedAt: performance.now() });
    } catch (error) {
      this.unknown += 1;
      this.lastError = `${member.name}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  private acknowledge(ack: Ack): void {
    this.acks.push(ack);
    if (this.lastAck !== undefined) this.longestGapMs = Math.max(this.longestGapMs, ack.endedAt - this.lastAck);
    this.lastAck = ack.endedAt;
    if (ack.revision > this.revision) this.revision = ack.revision;
  }
}
