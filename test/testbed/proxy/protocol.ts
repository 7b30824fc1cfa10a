// SPDX-License-Identifier: Apache-2.0
// What the proxy's control API and its client say to each other.
import type { RequestInfo } from './request.ts';
import type { Rule } from './rules.ts';

/** One request as it went through the proxy. */
export interface RequestRecord extends RequestInfo {
  id: number;
  listener: string;
  /** IP of the caller. */
  client: string;
  userAgent: string;
  method: string;
  /** Of a patch: the media type without `application/` and `+json`/`+yaml`, such as `apply-patch` or `merge-patch`. */
  patchType: string;
  /** Milliseconds since the epoch, by the proxy's clock. */
  startedAt: number;
  /** Milliseconds; absent while the request runs. */
  durationMs?: number;
  /** As the caller saw it; 0 if the connection was cut; absent while the request runs. */
  status?: number;
  /** As the server answered, if it was asked. */
  serverStatus?: number;
  /** Kinds of the faults that struck. */
  faults: string[];
  /** Events sent down a watch so far. */
  events?: number;
  /** Of a write, if the listener keeps bodies. */
  body?: string;
}

export interface ListenerSpec {
  name: string;
  /** Keep the bodies of writes in the records. */
  bodies?: boolean;
}

export interface ListenerInfo extends ListenerSpec {
  /** TCP port inside the node network. */
  port: number;
  down: boolean;
}

export interface HeldRequest {
  id: string;
  rule: string;
  at: 'request' | 'reply';
  request: RequestRecord;
}

export interface RuleState extends Omit<Rule, 'met'> {
  /** Open watches that the rule has frozen or that it feeds from a mark. */
  streams: number;
}

export interface MarkSpec {
  listener: string;
  name: string;
}

export interface MarkInfo extends MarkSpec {
  /** What was listed: path and selectors. */
  collections: string[];
}
