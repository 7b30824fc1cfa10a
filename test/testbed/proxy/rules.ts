// SPDX-License-Identifier: Apache-2.0
// The fault rules of the proxy: which request or watch event a rule means, and when its turn comes.
import type { RequestInfo, Verb } from './request.ts';

/** Every given field must hold; texts are globs (`*`, `?`), `''` means absent. */
export interface Match {
  verb?: Verb | readonly Verb[];
  group?: string;
  /** One glob or several. */
  resource?: string | readonly string[];
  subresource?: string;
  namespace?: string;
  name?: string;
  /** IP of the caller: tells two replicas behind one listener apart. */
  client?: string;
  /** Query parameters; an absent one counts as `''`. */
  query?: Record<string, string>;
}

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

export interface EventMatch {
  type?: EventType | readonly EventType[];
  namespace?: string;
  name?: string;
  uid?: string;
  /** Part of the object as JSON. */
  text?: string;
}

export type Fault =
  /** Waits before forwarding, or before handing back the reply. */
  | { kind: 'delay'; ms: number; at?: 'request' | 'reply' }
  /** Cuts the connection without forwarding. */
  | { kind: 'reset' }
  /** Answers by itself without forwarding. `body` replaces the usual Status object. */
  | { kind: 'status'; code: number; reason?: string; message?: string; retryAfterSeconds?: number; body?: string }
  /** Forwards, then cuts the connection when the server has answered. */
  | { kind: 'lose-reply' }
  /** Pauses before forwarding, or with the server's answer in hand, until the test releases or drops it. */
  | { kind: 'hold'; at: 'request' | 'reply' }
  /** Stops the bytes of a watch for good and keeps it open. */
  | { kind: 'freeze'; scope?: Scope }
  /** Ends a watch, cleanly or by a reset. */
  | { kind: 'cut'; how?: 'close' | 'reset'; scope?: Scope }
  /** Sends one more line down a watch, then perhaps ends it. */
  | { kind: 'inject'; line: string; close?: boolean; scope?: Scope }
  /** Leaves out watch events. */
  | { kind: 'swallow'; event: EventMatch }
  /** Holds a watch event, and all behind it, for so long. */
  | { kind: 'delay-events'; event: EventMatch; ms: number }
  /** Sends only the first half of an event's line. */
  | { kind: 'garble'; event: EventMatch }
  /** Answers lists and watches as the server was at the mark, and nothing new after it. */
  | { kind: 'replay'; mark: string };

/** Whether a fault of a watch means those open when the rule is made (the default), those opened later, or both. */
export type Scope = 'open' | 'new' | 'both';

export interface RuleSpec {
  listener: string;
  match: Match;
  fault: Fault;
  /** Only the first match of each object (verb, resource, subresource, namespace, name) counts. */
  oncePerObject?: boolean;
  /** Matches that pass unharmed first; default 0. */
  skip?: number;
  /** Only each so-many-th match after those; default 1. */
  every?: number;
  /** How often the fault strikes; default without end. */
  times?: number;
}

/** A rule in force, with its counts. Event faults count events, all others count requests. */
export interface Rule {
  id: string;
  spec: RuleSpec;
  seen: number;
  hits: number;
  /** Objects met, for `oncePerObject`. */
  met?: Set<string>;
}

const globs = new Map<string, RegExp>();

export function glob(pattern: string, text: string): boolean {
  let expression = globs.get(pattern);
  if (!expression) {
    const source = pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    expression = new RegExp(`^${source}$`, 's');
    globs.set(pattern, expression);
  }
  return expression.test(text);
}

function fits(pattern: string | undefined, text: string): boolean {
  return pattern === undefined || glob(pattern, text);
}

function oneOf<T>(wanted: T | readonly T[] | undefined, value: T): boolean {
  if (wanted === undefined) return true;
  return Array.isArray(wanted) ? wanted.includes(value) : wanted === value;
}

export function matchesRequest(match: Match, info: RequestInfo, client: string): boolean {
  return (
    oneOf(match.verb, info.verb) &&
    fits(match.group, info.group) &&
    [match.resource].flat().some((pattern) => fits(pattern, info.resource)) &&
    fits(match.subresource, info.subresource) &&
    fits(match.namespace, info.namespace) &&
    fits(match.name, info.name) &&
    fits(match.client, client) &&
    Object.entries(match.query ?? {}).every(([key, pattern]) => glob(pattern, info.query[key] ?? ''))
  );
}

export interface WatchEvent {
  type: EventType;
  object: { metadata?: { name?: string; namespace?: string; uid?: string } };
}

export function matchesEvent(match: EventMatch, event: WatchEvent): boolean {
  const metadata = event.object.metadata ?? {};
  return (
    oneOf(match.type, event.type) &&
    fits(match.namespace, metadata.namespace ?? '') &&
    fits(match.name, metadata.name ?? '') &&
    fits(match.uid, metadata.uid ?? '') &&
    (match.text === undefined || JSON.stringify(event.object).includes(match.text))
  );
}

/** One object under one verb. */
export function objectKey({ verb, group, resource, subresource, namespace, name }: RequestInfo): string {
  return [verb, group, resource, subresource, namespace, name].join('/');
}

/** Counts one match and says whether the fault strikes this time; `key` tells the object, for `oncePerObject`. */
export function strike(rule: Rule, key = ''): boolean {
  const { skip = 0, every = 1, times = Number.POSITIVE_INFINITY, oncePerObject = false } = rule.spec;
  if (oncePerObject) {
    rule.met ??= new Set();
    if (rule.met.has(key)) return false;
    rule.met.add(key);
  }
  rule.seen += 1;
  const turn = rule.seen - skip;
  if (turn < 1 || turn % every !== 0 || rule.hits >= times) return false;
  rule.hits += 1;
  return true;
}

export function isEventFault(fault: Fault): fault is Extract<Fault, { event: EventMatch }> {
  return 'event' in fault;
}

export function isStreamFault(fault: Fault): fault is Extract<Fault, { kind: 'freeze' | 'cut' | 'inject' }> {
  return fault.kind === 'freeze' || fault.kind === 'cut' || fault.kind === 'inject';
}
