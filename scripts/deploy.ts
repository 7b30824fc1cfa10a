// SPDX-License-Identifier: Apache-2.0
// `make testbed` and `make dev`: the testbed is up, and the operator of this tree runs in it.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { FILES, ROOT, STATE } from '../test/testbed/config.ts';
import { ensureTestbed, loadImage } from '../test/testbed/index.ts';
import { createProgress, type Progress } from '../test/testbed/progress.ts';
import { run } from '../test/testbed/run.ts';
import { buildImage, type OperatorImage } from './image.ts';
import { findHelm, kubectl } from './lib/tools.ts';

export const OPERATOR_NAMESPACE = 'quorate-system';
/** The image that the testbed holds, for tests that install the operator themselves. */
export const OPERATOR_IMAGE_FILE = path.join(STATE, 'operator-image.json');
const release = 'quorate';

const namespace = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: OPERATOR_NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
});

/** Runs kubectl against the testbed and returns what it prints. */
export async function kube(args: string[], options: { input?: string; timeoutMs?: number } = {}): Promise<string> {
  const { stdout } = await run(kubectl(), ['--kubeconfig', FILES.kubeconfig, ...args], options);
  return stdout;
}

async function helmUpgrade(image: OperatorImage): Promise<void> {
  // An interrupted helm leaves a release that is pending for ever: only its record has to go.
  const pending = 'owner=helm,status in (pending-install,pending-upgrade,pending-rollback)';
  await kube(['delete', 'secret', '--namespace', OPERATOR_NAMESPACE, '--selector', pending]);
  const values = JSON.stringify({ image: { repository: image.repository, tag: image.tag } });
  const args = ['upgrade', '--install', release, 'charts/quorate', '--namespace', OPERATOR_NAMESPACE, '--reset-values'];
  await run(await findHelm(), [...args, '--kubeconfig', FILES.kubeconfig, '--history-max', '3', '--values', '-'], {
    cwd: ROOT,
    input: values,
  });
}

async function rolledOut(): Promise<void> {
  try {
    await kube(['rollout', 'status', `deployment/${release}`, '--namespace', OPERATOR_NAMESPACE, '--timeout', '90s'], {
      timeoutMs: 100_000,
    });
  } catch (error) {
    const about = ['--namespace', OPERATOR_NAMESPACE];
    const pods = await kube(['get', 'pods', ...about, '-o', 'wide']).catch(String);
    const log = await kube(['logs', `deployment/${release}`, ...about, '--tail', '30']).catch(String);
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${pods}\n${log}`, { cause: error });
  }
}

/** Idempotent; returns the image that runs. */
export async function deployOperator(progress: Progress): Promise<OperatorImage> {
  await ensureTestbed(progress);
  const image = await buildImage(progress);
  await progress.step('load the image into the nodes', () => loadImage(image.reference));
  await writeFile(OPERATOR_IMAGE_FILE, `${JSON.stringify(image)}\n`);
  await progress.step('install the chart', async () => {
    await kube(['apply', '--server-side', '-f', '-'], { input: namespace });
    await helmUpgrade(image);
  });
  await progress.step('roll the operator', rolledOut);
  return image;
}

if (import.meta.main) {
  const progress = createProgress((line) => process.stdout.write(`${line}\n`));
  try {
    const { reference } = await deployOperator(progress);
    progress.note(
      `the operator runs as ${reference}; export KUBECONFIG=${path.relative(process.cwd(), FILES.kubeconfig)}`,
    );
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
