// SPDX-License-Identifier: Apache-2.0
// Reads logs: of pods through the API server, of the cluster's own parts from their files.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { FILES } from './config.ts';
import type { PodRef } from './faults/pods.ts';
import { kubectlResult } from './kubectl.ts';

/** The log of a pod's container; `previous` is that of the run before the last restart. */
export async function podLogs(pod: PodRef, o: { container?: string; previous?: boolean } = {}): Promise<string> {
  const container = o.container === undefined ? [] : ['--container', o.container];
  const previous = o.previous === true ? ['--previous'] : [];
  return (await kubectlResult(['-n', pod.namespace, 'logs', pod.name, ...container, ...previous])).stdout;
}

/** The log of one of the cluster's own parts, for example `node1`, `kubelet` or `control-plane`, `kube-apiserver`. */
export const componentLog = (machine: string, part: string): Promise<string> =>
  readFile(path.join(FILES.logs, machine, `${part}.log`), 'utf8');
