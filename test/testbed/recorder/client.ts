// SPDX-License-Identifier: Apache-2.0
// What a test says to the recorder, typed.
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, type Dispatcher, request } from 'undici';
import type { Comparison, RecorderCounts, RecorderSpec, StoredText, Verdict } from './protocol.ts';

export class RecorderClient {
  private readonly base: string;
  private readonly dispatcher = new Agent({ bodyTimeout: 130_000, headersTimeout: 130_000 });

  /** `base`: the control API, such as `http://127.0.0.1:32769`. */
  constructor(base: string) {
    this.base = base;
  }

  /** Starts a client that writes until it is stopped. */
  async record(spec: RecorderSpec): Promise<Recording> {
    const { id } = await this.call<RecorderCounts>('POST', '/recorders', spec);
    return new Recording(this, id);
  }

  async close(): Promise<void> {
    await this.dispatcher.close();
  }

  async call<T>(method: Dispatcher.HttpMethod, path: string, body?: unknown): Promise<T> {
    const { statusCode, body: reply } = await request(`${this.base}${path}`, {
      method,
      dispatcher: this.dispatcher,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    if (statusCode >= 300) throw new Error(`recorder: ${method} ${path}: ${statusCode} ${text}`);
    const value: T = JSON.parse(text === '' ? 'null' : text);
    return value;
  }
}

export class Recording {
  readonly id: string;
  private readonly client: RecorderClient;

  constructor(client: RecorderClient, id: string) {
    this.client = client;
    this.id = id;
  }

  counts(): Promise<RecorderCounts> {
    return this.client.call('GET', `/recorders/${this.id}`);
  }

  /** Waits for so many more acknowledged writes; throws with the last error after `timeoutMs` milliseconds. */
  async acknowledged(more: number, timeoutMs: number): Promise<RecorderCounts> {
    const signal = AbortSignal.timeout(timeoutMs);
    const start = await this.counts();
    for (;;) {
      const now = await this.counts();
      if (now.acknowledged >= start.acknowledged + more) return now;
      if (signal.aborted) {
        const got = now.acknowledged - start.acknowledged;
        throw new Error(
          `${got} instead of ${more} more writes were acknowledged within ${timeoutMs} ms; last error: ${now.lastError}`,
        );
      }
      await delay(50);
    }
  }

  stop(): Promise<RecorderCounts> {
    return this.client.call('POST', `/recorders/${this.id}/stop`);
  }

  /** Reads everything back; `problems` is empty if nothing acknowledged is missing and all members agree. */
  verify(timeoutMs = 30_000): Promise<Verdict> {
    return this.client.call('POST', `/recorders/${this.id}/verify?timeout=${timeoutMs}`);
  }

  /** Sentences on how what somebody has read back differs from what was acknowledged, by key; none if it does not. */
  async compare(stored: readonly StoredText[]): Promise<string[]> {
    const { problems } = await this.client.call<Comparison>('POST', `/recorders/${this.id}/compare`, stored);
    return problems;
  }

  async close(): Promise<void> {
    await this.client.call('DELETE', `/recorders/${this.id}`);
  }
}
