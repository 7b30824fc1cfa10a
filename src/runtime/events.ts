// SPDX-License-Identifier: Apache-2.0
// Records Events: only when something happened, never twice in a row for the same thing, and never in the way of the work.
import { randomBytes } from 'node:crypto';
import type { Logger } from '../telemetry/log.ts';
import type { KubeClient } from './client.ts';
import type { KubeObject } from './json.ts';
import { type Event, events } from './resources.ts';
import { firstBytes, oneLine } from './text.ts';

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

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'create'>;
  readonly log: Logger;
  readonly controller: string;
  readonly instance: string;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export class EventRecorder {
  readonly #o: EventRecorderOptions;
  readonly #recent = new Map<string, number>();

  constructor(o: EventRecorderOptions) {
    this.#o = o;
  }

  emit(regarding: KubeObject, draft: EventDraft): void {
    const key = [regarding.metadata.uid, draft.reason, draft.message].join('\n');
    const now = (this.#o.now ?? performance.now.bind(performance))();
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
      note: firstBytes(oneLine(draft.message), MAX_NOTE),
      regarding: { apiVersion: regarding.apiVersion, kind: regarding.kind, namespace, name, uid, resourceVersion },
    };
  }
}
