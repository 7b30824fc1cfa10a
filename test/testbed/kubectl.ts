// SPDX-License-Identifier: Apache-2.0
// Talks to the testbed's API server with its own kubectl, as an administrator.
import path from 'node:path';
import { FILES } from './config.ts';
import type { KubeObject } from './objects.ts';
import { type RunResult, run } from './run.ts';

export interface KubectlOptions {
  input?: string;
  timeoutMs?: number;
  allowFailure?: boolean;
}

/** Runs kubectl with the testbed's kubeconfig; throws unless it ends with 0. */
export const kubectlResult = (args: readonly string[], o: KubectlOptions = {}): Promise<RunResult> =>
  run(path.join(FILES.bin, 'kubectl'), args, { ...o, env: { KUBECONFIG: FILES.kubeconfig } });

/** What kubectl printed, without the last line break. */
export async function kubectl(...args: string[]): Promise<string> {
  return (await kubectlResult(args)).stdout.trimEnd();
}

/** The object that kubectl prints as JSON. */
export async function kubectlJson<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  return JSON.parse((await kubectlResult([...args, '-o', 'json'])).stdout) as T;
}

/** Server-side apply of objects, as `testbed`. */
export async function apply(objects: readonly KubeObject[]): Promise<void> {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await kubectlResult(['apply', '--server-side', '--force-conflicts', '--field-manager=testbed', '-f', '-'], {
    input: list,
  });
}
