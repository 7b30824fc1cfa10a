// SPDX-License-Identifier: Apache-2.0
// What the proxy knows: listeners, rules, requests seen, requests held, open watches.
import { EventEmitter, once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Agent } from 'node:https';
import type { HeldRequest, ListenerSpec, RequestRecord } from './protocol.ts';
import { parseRequest, type RequestInfo } from './request.ts';
import {
  type Fault,
  isEventFault,
  isStreamFault,
  matchesRequest,
  objectKey,
  type Rule,
  type RuleSpec,
  strike,
} from './rules.ts';

/** The real API server. */
export interface Upstream {
  host: string;
  port: number;
  agent: Agent;
}

/** An open watch, real or replayed, as far as rules may touch it. */
export interface Stream {
  readonly info: RequestInfo;
  readonly client: string;
  readonly rules: Set<string>;
  apply(fault: Fault, rule: Rule): void;
  end(): void;
}

export interface Listener extends ListenerSpec {
  port: number;
  down: boolean;
  server: Server;
  streams: Set<Stream>;
  /** Collections listed or watched so far: path and selectors → the Authorization that was sent. */
  collections: Map<string, string>;
}

interface Hold extends HeldRequest {
  settle(outcome: 'release' | 'drop'): void;
  taken: boolean;
}

const recordLimit = 400_000;

export class ProxyState {
  readonly upstream: Upstream;
  readonly listeners = new Map<string, Listener>();
  readonly rules = new Map<string, Rule>();
  readonly marks = new Map<string, Map<string, string>>();
  readonly holds = new Map<string, Hold>();
  records: RequestRecord[] = [];
  /** Listeners opened since the start. */
  opened = 0;
  private readonly changes = new EventEmitter().setMaxListeners(0);
  private next = 1;

  constructor(upstream: Upstream) {
    this.upstream = upstream;
  }

  id(): number {
    return this.next++;
  }

  changed(): void {
    this.changes.emit('change');
  }

  /** Resolves with the first defined value of `read`, undefined after `waitMs` milliseconds. */
  async wait<T>(read: () => T | undefined, waitMs: number): Promise<T | undefined> {
    const signal = AbortSignal.timeout(waitMs);
    for (;;) {
      const value = read();
      if (value !== undefined || signal.aborted) return value;
      await once(this.changes, 'change', { signal }).catch(() => undefined);
    }
  }

  addRule(spec: RuleSpec): Rule {
    const rule: Rule = { id: String(this.id()), spec, seen: 0, hits: 0 };
    this.rules.set(rule.id, rule);
    const { fault } = spec;
    if (isStreamFault(fault) && fault.scope !== 'new') {
      for (const stream of this.listeners.get(spec.listener)?.streams ?? []) {
        if (matchesRequest(spec.match, stream.info, stream.client) && strike(rule)) stream.apply(fault, rule);
      }
    }
    this.changed();
    return rule;
  }

  /** Also releases what the rule holds, and ends the watches that it feeds. */
  removeRule(id: string): void {
    this.rules.delete(id);
    for (const hold of this.holds.values()) if (hold.rule === id) hold.settle('release');
    for (const listener of this.listeners.values()) {
      for (const stream of listener.streams) if (stream.rules.has(id)) stream.end();
    }
  }

  /** The faults of this request, in the order of their rules, counted. */
  faultsOf(listener: string, info: RequestInfo, client: string): { fault: Fault; rule: Rule }[] {
    const found: { fault: Fault; rule: Rule }[] = [];
    for (const rule of this.rules.values()) {
      const { fault, match } = rule.spec;
      if (rule.spec.listener !== listener || isEventFault(fault)) continue;
      if (isStreamFault(fault) && (info.verb !== 'watch' || (fault.scope ?? 'open') === 'open')) continue;
      if (matchesRequest(match, info, client) && strike(rule, objectKey(info))) found.push({ fault, rule });
    }
    if (found.length > 0) this.changed();
    return found;
  }

  eventRules(listener: string, info: RequestInfo, client: string): Rule[] {
    if (this.rules.size === 0) return [];
    return [...this.rules.values()].filter(
      ({ spec }) => spec.listener === listener && isEventFault(spec.fault) && matchesRequest(spec.match, info, client),
    );
  }

  open(listener: Listener, req: IncomingMessage, body: string): RequestRecord {
    const info = parseRequest(req.method ?? 'GET', req.url ?? '/', body);
    const type = req.method === 'PATCH' ? (req.headers['content-type'] ?? '') : '';
    const record: RequestRecord = {
      ...info,
      id: this.id(),
      listener: listener.name,
      client: (req.socket.remoteAddress ?? '').replace('::ffff:', ''),
      userAgent: req.headers['user-agent'] ?? '',
      method: req.method ?? '',
      patchType: /^application\/([a-z-]+)/.exec(type)?.[1] ?? '',
      startedAt: Date.now(),
      faults: [],
      ...(listener.bodies && body !== '' ? { body } : {}),
    };
    this.records.push(record);
    if (this.records.length > recordLimit) this.records.splice(0, recordLimit / 10);
    return record;
  }

  close(record: RequestRecord, status: number): void {
    if (record.status !== undefined) return;
    record.status = status;
    record.durationMs = Date.now() - record.startedAt;
    this.changed();
  }

  /** Pauses a request until the test settles it; a caller that goes away counts as dropped. */
  hold(rule: Rule, at: 'request' | 'reply', request: RequestRecord, gone: AbortSignal): Promise<'release' | 'drop'> {
    return new Promise((resolve) => {
      const id = String(this.id());
      const settle = (outcome: 'release' | 'drop') => {
        this.holds.delete(id);
        resolve(outcome);
        this.changed();
      };
      this.holds.set(id, { id, rule: rule.id, at, request, taken: false, settle });
      gone.addEventListener('abort', () => settle('drop'), { once: true });
      this.changed();
    });
  }
}
