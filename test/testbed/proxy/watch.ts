// SPDX-License-Identifier: Apache-2.0
// One watch on its way through the proxy: whole lines only, so that a fault can strike a single event.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { RequestRecord } from './protocol.ts';
import type { RequestInfo } from './request.ts';
import { type Fault, isEventFault, matchesEvent, type Rule, strike, type WatchEvent } from './rules.ts';
import type { Listener, ProxyState, Stream } from './state.ts';

const newline = 10;

export class WatchStream implements Stream {
  readonly info: RequestInfo;
  readonly client: string;
  readonly rules = new Set<string>();
  private readonly state: ProxyState;
  private readonly listener: Listener;
  private readonly record: RequestRecord;
  private readonly upstream: IncomingMessage;
  private readonly res: ServerResponse;
  private pending: Buffer[] = [];
  private frozen = false;
  /** Set while an event is held back: everything later waits behind it. */
  private tail: Promise<void> | undefined;

  constructor(
    state: ProxyState,
    listener: Listener,
    record: RequestRecord,
    upstream: IncomingMessage,
    res: ServerResponse,
  ) {
    this.state = state;
    this.listener = listener;
    this.record = record;
    this.info = record;
    this.client = record.client;
    this.upstream = upstream;
    this.res = res;
    record.events = 0;
  }

  start(): void {
    this.listener.streams.add(this);
    this.upstream.on('data', (chunk: Buffer) => this.receive(chunk));
    this.upstream.on('end', () => this.enqueue(() => !this.frozen && this.res.end()));
    this.upstream.on('error', () => this.frozen || this.res.socket?.destroy());
    this.res.on('drain', () => this.upstream.resume());
    this.res.on('close', () => {
      this.listener.streams.delete(this);
      this.upstream.destroy();
      this.state.close(this.record, this.res.writableFinished ? 200 : 0);
    });
  }

  apply(fault: Fault, rule: Rule): void {
    this.record.faults.push(fault.kind);
    if (fault.kind === 'freeze') {
      this.rules.add(rule.id);
      this.frozen = true;
    } else if (fault.kind === 'cut') {
      if (fault.how === 'reset') this.res.socket?.destroy();
      else this.end();
    } else if (fault.kind === 'inject') {
      this.enqueue(() => {
        this.write(Buffer.from(`${fault.line}\n`));
        if (fault.close) this.end();
      });
    }
  }

  end(): void {
    if (this.frozen) this.res.socket?.destroy();
    else this.res.end();
  }

  private receive(chunk: Buffer): void {
    if (this.frozen) return;
    const last = chunk.lastIndexOf(newline);
    if (last < 0) {
      this.pending.push(chunk);
      return;
    }
    const whole = Buffer.concat([...this.pending, chunk.subarray(0, last + 1)]);
    this.pending = last + 1 < chunk.length ? [chunk.subarray(last + 1)] : [];
    this.forward(whole);
  }

  private forward(lines: Buffer): void {
    const rules = this.state.eventRules(this.record.listener, this.info, this.client);
    if (rules.length === 0) {
      this.enqueue(() => this.write(lines));
      return;
    }
    for (let from = 0; from < lines.length; ) {
      const to = lines.indexOf(newline, from) + 1;
      this.forwardEvent(lines.subarray(from, to), rules);
      from = to;
    }
  }

  private forwardEvent(line: Buffer, rules: Rule[]): void {
    const event: WatchEvent = JSON.parse(line.toString());
    for (const rule of rules) {
      const { fault } = rule.spec;
      if (!isEventFault(fault) || !matchesEvent(fault.event, event) || !strike(rule)) continue;
      this.record.faults.push(fault.kind);
      this.state.changed();
      if (fault.kind === 'swallow') return;
      if (fault.kind === 'delay-events') {
        this.holdBack(fault.ms);
      } else {
        const half = line.subarray(0, line.length >> 1);
        this.enqueue(() => this.write(Buffer.concat([half, Buffer.from('\n')])));
        return;
      }
    }
    this.enqueue(() => this.write(line));
  }

  private holdBack(ms: number): void {
    const until = Date.now() + ms;
    const before = this.tail ?? Promise.resolve();
    this.setTail(before.then(() => delay(Math.max(0, until - Date.now()))));
  }

  private enqueue(task: () => unknown): void {
    if (this.tail) this.setTail(this.tail.then(() => void task()));
    else task();
  }

  private setTail(tail: Promise<void>): void {
    this.tail = tail;
    void tail.finally(() => {
      if (this.tail === tail) this.tail = undefined;
    });
  }

  private write(lines: Buffer): void {
    if (this.frozen || this.res.writableEnded || this.res.destroyed) return;
    for (const byte of lines) if (byte === newline) this.record.events = (this.record.events ?? 0) + 1;
    if (!this.res.write(lines)) this.upstream.pause();
  }
}
