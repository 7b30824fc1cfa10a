// SPDX-License-Identifier: Apache-2.0
// For tests of connections and of the queue: a server on this machine and the way to it, and a clock that the test turns.
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import type { KubeAuth } from './auth.ts';
import type { Clock } from './queue.ts';

/** Starts a server for the time of one test; gives its port. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Serves HTTP for the time of one test. */
export async function serve(answer: RequestListener): Promise<KubeAuth> {
  const server = createServer(answer);
  onTestFinished(() => server.closeAllConnections());
  return authFor(`http://127.0.0.1:${await listen(server)}`);
}

export const authFor = (server: string): KubeAuth => ({
  server,
  tls: () => Promise.resolve({}),
  headers: () => Promise.resolve({}),
  refused: () => undefined,
});

export const ok = (response: ServerResponse): void => void response.end('{}');

/** Turns a clock of the test on, and lets real answers arrive between two of its seconds. */
export async function pass(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A clock that the test turns. */
export class TestClock implements Clock {
  #now = 0;
  #timers: { at: number; run: () => void }[] = [];
  now(): number {
    return this.#now;
  }
  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((t) => t !== timer);
    };
  }
  get pending(): number {
    return this.#timers.length;
  }
  async turn(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#timers.filter((t) => t.at <= this.#now);
    this.#timers = this.#timers.filter((t) => t.at > this.#now);
    for (const t of due) t.run();
    await settle();
  }
}

/** Lets everything run that waits for nothing but its turn. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};
