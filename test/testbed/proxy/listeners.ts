// SPDX-License-Identifier: Apache-2.0
// The HTTPS ports of the proxy: one per operator instance, so that each request is attributed.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { TlsPaths } from './control.ts';
import { handle } from './forward.ts';
import type { ListenerSpec } from './protocol.ts';
import type { Listener, ProxyState } from './state.ts';

export async function openListener(state: ProxyState, spec: ListenerSpec, tls: TlsPaths): Promise<Listener> {
  if (state.listeners.has(spec.name)) throw new Error(`listener ${spec.name} exists`);
  const [cert, key] = await Promise.all([readFile(tls.cert), readFile(tls.key)]);
  // The API server keeps idle connections for long; so does the proxy, or its caller would meet closed ones.
  const server = createServer({ cert, key, ALPNProtocols: ['http/1.1'], keepAliveTimeout: 0, requestTimeout: 0 });
  // Never a port of an earlier listener: its operator may still be there and would be taken for the new one.
  const port = tls.firstPort + state.opened;
  state.opened += 1;
  const listener: Listener = { ...spec, port, down: false, server, streams: new Set(), collections: new Map() };
  server.on('request', (req, res) => void handle(state, listener, req, res));
  state.listeners.set(spec.name, listener);
  await listen(listener);
  return listener;
}

async function listen(listener: Listener): Promise<void> {
  listener.server.listen(listener.port);
  await once(listener.server, 'listening', { signal: AbortSignal.timeout(5000) });
}

/** Down: the port refuses connections and the open ones are cut, as when the API server is away. */
export async function setDown(listener: Listener, down: boolean): Promise<Listener> {
  if (down === listener.down) return listener;
  listener.down = down;
  if (!down) {
    await listen(listener);
    return listener;
  }
  listener.server.close();
  listener.server.closeAllConnections();
  return listener;
}

export function closeListener(state: ProxyState, listener: Listener): void {
  state.listeners.delete(listener.name);
  for (const rule of state.rules.values()) if (rule.spec.listener === listener.name) state.removeRule(rule.id);
  for (const mark of state.marks.keys()) if (mark.startsWith(`${listener.name}/`)) state.marks.delete(mark);
  listener.server.close();
  listener.server.closeAllConnections();
  state.records = state.records.filter((record) => record.listener !== listener.name);
}
