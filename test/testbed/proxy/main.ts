// SPDX-License-Identifier: Apache-2.0
// The fault proxy's process: stands between operators and the real API server, driven by its control API.
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { controlServer } from './control.ts';
import { ProxyState } from './state.ts';

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const upstream = new URL(setting('PROXY_UPSTREAM'));
// Idle connections are given up long before the server does so, or a request could meet a closed one.
const agent = new Agent({ ca: await readFile(setting('PROXY_CA')), keepAlive: true, timeout: 30_000 });
const state = new ProxyState({ host: upstream.hostname, port: Number(upstream.port), agent });
const tls = { cert: setting('PROXY_CERT'), key: setting('PROXY_KEY'), firstPort: Number(setting('PROXY_FIRST_PORT')) };
const control = controlServer(state, tls);
control.keepAliveTimeout = 0;
control.listen(Number(setting('PROXY_CONTROL_PORT')));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
process.on('disconnect', () => process.exit(0));
