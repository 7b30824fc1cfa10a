// SPDX-License-Identifier: Apache-2.0
// The fault proxy as a process on the loopback, for the proxy's own tests; operators use the container.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyClient } from './client.ts';

export interface LocalProxyOptions {
  /** URL of the real API server. */
  upstream: string;
  /** Files: the CA of the real API server, and the certificate that the proxy serves. */
  ca: string;
  cert: string;
  key: string;
  controlPort: number;
  firstPort: number;
}

export interface LocalProxy extends AsyncDisposable {
  client: ProxyClient;
}

/** Resolves when the control API answers; rejects after 10 s. */
export async function startLocalProxy(options: LocalProxyOptions): Promise<LocalProxy> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'main.ts')], {
    // The channel ends it with the tests that it serves, however these end.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      PROXY_UPSTREAM: options.upstream,
      PROXY_CA: options.ca,
      PROXY_CERT: options.cert,
      PROXY_KEY: options.key,
      PROXY_CONTROL_PORT: String(options.controlPort),
      PROXY_FIRST_PORT: String(options.firstPort),
    },
  });
  const client = new ProxyClient(`http://127.0.0.1:${options.controlPort}`);
  await answering(client, child);
  return {
    client,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      child.kill();
      await exited;
    },
  };
}

async function answering(client: ProxyClient, child: ChildProcess): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  for (;;) {
    try {
      await client.listeners();
      return;
    } catch (error) {
      if (child.exitCode !== null) throw new Error(`the proxy exited with ${child.exitCode}`, { cause: error });
      if (signal.aborted) throw error;
      await delay(50);
    }
  }
}
