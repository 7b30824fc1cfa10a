// SPDX-License-Identifier: Apache-2.0
// Records Events: only when something happened, never twice in a row for the same thing, and never in the way of the work.
import { randomBytes } from 'node:crypto';
import type { Logger } from '../telemetry/log.ts';
import type { KubeClient } from './client.ts';
import type { KubeObject } from './json.ts';
import { type Event, events } from './resources.ts';

export interface EventDraft {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  /** What the operator was doing, in CamelCase. */
  readonly action: string;
  readonly message: string;
}

const QUIET_MS = 600_000;
/** The server refuses notes beyond 1,024 bytes. */
const MAX_NOTE = 1_000;
const MAX_REMEMBERED = 2_000;

export class EventRecorder {
  readonly #o: { client: KubeClient; log: Logger; controller: string; instance: string };
  readonly #recent = new Map<string, number>();

  constructor(o: { client: KubeClient; log: Logger; controller: string; instance: string }) {
    this.#o = o;
  }

  emit(regarding: KubeObject, draft: EventDraft): void {
    const key = [regarding.metadata.uid, draft.reason, draft.message].join('\n');
    const now = performance.now();
    if (now - (this.#recent.get(key) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
    this.#recent.delete(key);
    this.#recent.set(key, now);
    if (this.#recent.size > MAX_REMEMBERED) this.#recent.delete(this.#recent.keys().next().value as string);
    this.#o.client.create(events, this.#render(regarding, draft)).catch((e: unknown) => {
      this.#o.log.warn({ err: e instanceof Error ? e.message : String(e), reason: draft.reason }, 'event not recorded');
    });
  }

  #render(regarding: KubeObject, draft: EventDraft): Event {
    const { namespace, name, uid, resourceVersion } = regarding.metadata;
    return {
      metadata: { namespace: namespace ?? 'default', name: `${name.slice(0, 200)}.${randomBytes(8).toString('hex')}` },
      eventTime: new Date().toISOString().replace('Z', '000Z'),
      reportingController: this.#o.controller,
      reportingInstance: this.#o.instance,
      type: draft.type,
      reason: draft.reason,
      action: draft.action,
      note: firstBytes(draft.message, MAX_NOTE),
      regarding: { apiVersion: regarding.apiVersion, kind: regarding.kind, namespace, name, uid, resourceVersion },
    };
  }
}

/** The beginning of a text that takes at most so many bytes, without a torn character at its end. */
export function firstBytes(text: string, limit: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= limit) return text;
  return new TextDecoder().decode(bytes.subarray(0, limit), { stream: true });
}
