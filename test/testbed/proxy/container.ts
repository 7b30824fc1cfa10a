// SPDX-License-Identifier: Apache-2.0
// The fault proxy in its container, where pods reach it.
import { ADDRESSES, API_PORT, FILES } from '../config.ts';
import { CONTROL_PORT, ensureTool, findTool } from '../tools.ts';
import { ensureProxyCertificate } from './certificate.ts';
import { ProxyClient } from './client.ts';

const name = 'fault-proxy';
export const PROXY_ADDRESS = '198.18.16.9';

/** Needs a running testbed. */
export async function ensureProxy(): Promise<void> {
  await ensureProxyCertificate(FILES.pki, [PROXY_ADDRESS, '127.0.0.1']);
  await ensureTool({
    name,
    address: PROXY_ADDRESS,
    folder: 'proxy',
    env: {
      PROXY_UPSTREAM: `https://${ADDRESSES.controlPlane}:${API_PORT}`,
      PROXY_CA: '/pki/ca.crt',
      PROXY_CERT: '/pki/fault-proxy.crt',
      PROXY_KEY: '/pki/fault-proxy.key',
      PROXY_CONTROL_PORT: String(CONTROL_PORT),
      PROXY_FIRST_PORT: '16443',
    },
  });
}

/** The proxy that `ensureProxy` has started. */
export async function connectProxy(): Promise<ProxyClient> {
  const url = await findTool(name);
  if (url === undefined) throw new Error('the fault proxy does not run');
  return new ProxyClient(url);
}
