// SPDX-License-Identifier: Apache-2.0
// The recorder in its container, from where it reaches pods.
import { ADDRESSES, API_PORT } from '../config.ts';
import { CONTROL_PORT, ensureTool, findTool } from '../tools.ts';
import { RecorderClient } from './client.ts';

/** Name of the container, as the testbed's `exec` knows it. */
export const RECORDER = 'recorder';

/** Needs a running testbed. */
export async function ensureRecorder(): Promise<void> {
  await ensureTool({
    name: RECORDER,
    address: '198.18.16.8',
    folder: 'recorder',
    env: {
      RECORDER_API_SERVER: `https://${ADDRESSES.controlPlane}:${API_PORT}`,
      RECORDER_CA: '/pki/ca.crt',
      RECORDER_CERT: '/pki/admin.crt',
      RECORDER_KEY: '/pki/admin.key',
      RECORDER_CONTROL_PORT: String(CONTROL_PORT),
    },
  });
}

/** The recorder that `ensureRecorder` has started. */
export async function connectRecorder(): Promise<RecorderClient> {
  const url = await findTool(RECORDER);
  if (url === undefined) throw new Error('the recorder does not run');
  return new RecorderClient(url);
}
