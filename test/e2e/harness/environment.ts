// SPDX-License-Identifier: Apache-2.0
// The running testbed as one test process sees it.
import path from 'node:path';
import { exec } from '../../testbed/docker.ts';
import { findEngine } from '../../testbed/engine.ts';
import type { ProxyClient } from '../../testbed/proxy/client.ts';
import { connectProxy, PROXY_ADDRESS } from '../../testbed/proxy/container.ts';
import type { RecorderClient } from '../../testbed/recorder/client.ts';
import { connectRecorder } from '../../testbed/recorder/container.ts';
import { bin, kubeconfigFile } from './files.ts';
import { Kube } from './kube.ts';

export interface Environment {
  readonly kube: Kube;
  readonly kubeconfig: string;
  readonly helm: string;
  readonly proxy: ProxyClient;
  /** The fault proxy's address in the node network. */
  readonly proxyAddress: string;
  readonly recorder: RecorderClient;
  /** Runs a command in a container of the testbed, such as a node; rejects unless it exits with 0. */
  exec(container: string, command: readonly string[]): Promise<string>;
}

/** Connects to what the global set-up has started. */
export async function connect(): Promise<Environment> {
  if ((await findEngine()) === undefined) throw new Error('no testbed is running: make testbed');
  const [kube, proxy, recorder] = await Promise.all([
    Kube.fromKubeconfig(kubeconfigFile),
    connectProxy(),
    connectRecorder(),
  ]);
  return {
    kube,
    kubeconfig: kubeconfigFile,
    helm: path.join(bin, 'helm'),
    proxy,
    proxyAddress: PROXY_ADDRESS,
    recorder,
    exec: async (container, command) => (await exec(container, command)).stdout,
  };
}

export async function disconnect({ kube, proxy, recorder }: Environment): Promise<void> {
  await Promise.all([kube.close(), proxy.close(), recorder.close()]);
}
