// SPDX-License-Identifier: Apache-2.0
// The chart as a user installs it: helm, its own namespace, its own values.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { repository } from './files.ts';

const chart = path.join(repository, 'charts/quorate');

export interface HelmAccess {
  helm: string;
  kubeconfig: string;
}

/** Runs a program to its end; rejects with what it wrote. */
function run(file: string, args: string[], options: { input?: string; timeoutMs?: number } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { timeout: options.timeoutMs ?? 120_000, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        if (error)
          reject(
            new Error(`${path.basename(file)} ${args.slice(0, 3).join(' ')}: ${error.message}\n${stderr}`, {
              cause: error,
            }),
          );
        else resolve(stdout);
      },
    );
    child.stdin?.end(options.input ?? '');
  });
}

/** Installs or upgrades; waits until the Deployment is rolled out. */
export async function upgrade(access: HelmAccess, release: string, namespace: string, values: object): Promise<void> {
  const args = ['upgrade', '--install', release, chart, '--namespace', namespace, '--create-namespace'];
  await run(access.helm, [...args, '--kubeconfig', access.kubeconfig, '--wait', '--timeout', '90s', '--values', '-'], {
    input: JSON.stringify(values),
  });
}

export async function uninstall(access: HelmAccess, release: string, namespace: string): Promise<void> {
  const args = [
    'uninstall',
    release,
    '--namespace',
    namespace,
    '--ignore-not-found',
    '--kubeconfig',
    access.kubeconfig,
  ];
  await run(access.helm, args);
}
