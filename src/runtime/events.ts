// SPDX-License-Identifier: Apache-2.0
// Records Events: only when something happened, never twice in a row for the same thing, and never in the way of the work.
import { randomBytes } from 'node:crypto';
import type { Logger } from '../telemetry/log.ts';
import { backoffMs } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { pause } from './deadline.ts';
import { errorOfTransport } from './errors.ts';
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
/** Tries of one Event, over half a minute, and Events that wait for their next try: more are given up. */
const TRIES = 6;
const BACKOFF = { firstMs: 1_000, maxMs: 16_000 };
const MAX_WAITING = 100;

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'create'>;
  readonly log: Logger;
  readonly controller: string;
  readonly instance: string;
  /** Nothing is tried again once it has fired. */
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export class EventRecorder {
  readonly #o: EventRecorderOptions;
  readonly #recent = new Map<string, number>();
  #waiting = 0;

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
    void this.#record(key, this.#render(regarding, draft));
  }

  async #record(key: string, event: Event): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#o.client.create(events, event);
        return;
      } catch (e) {
        const { code, class: kind, message, retryAfterMs = 0 } = errorOfTransport(e);
        // An earlier try had arrived after all.
        if (code === 'AlreadyExists') return;
        const wait = Math.max(retryAfterMs, backoffMs(tries - 1, BACKOFF, Math.random));
        if (kind !== 'terminal' && tries < TRIES && (await this.#mayTryAgain(wait))) continue;
        // What the server will not have is not news at the next occasion either.
        if (kind !== 'terminal') this.#recent.delete(key);
        this.#o.log.warn({ code, err: message, reason: event.reason }, 'event not recorded');
        return;
      }
    }
  }

  /** Waits; false: too many do, or the process ends. */
  async #mayTryAgain(ms: number): Promise<boolean> {
    if (this.#waiting >= MAX_WAITING) return false;
    this.#waiting += 1;
    const inTime = await pause(ms, this.#o.signal).then(
      () => true,
      () => false,
    );
    this.#waiting -= 1;
    return inTime;
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
