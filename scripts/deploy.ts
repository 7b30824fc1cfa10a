// SPDX-License-Identifier: Apache-2.0
// `make testbed` and `make dev`: the testbed is up, and the operator of this tree runs in it.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bringUp } from '../test/testbed/cluster.ts';
import { FILES, ROOT, STATE } from '../test/testbed/config.ts';
import { findEngine } from '../test/testbed/engine.ts';
import { loadImage } from '../test/testbed/images.ts';
import { apply, kubectl, kubectlResult } from '../test/testbed/kubectl.ts';
import type { Progress } from '../test/testbed/progress.ts';
import { run } from '../test/testbed/run.ts';
import { buildImage, type OperatorImage } from './image.ts';
import { runScript } from './lib/main.ts';
import { findHelm } from './lib/tools.ts';

const release = 'quorate';
const namespace = 'quorate-system';
const about = ['--namespace', namespace];
/** The image that the nodes hold. */
const imageFile = path.join(STATE, 'operator-image.json');

/** Processes of end-to-end tests that have put this operator to rest, and would fight with it if it woke. */
export async function testsThatGoOn(): Promise<string[]> {
  const annotation = 'jsonpath={.metadata.annotations.quorate\\.dev/e2e-runs}';
  const { stdout } = await kubectlResult(['get', 'deployment', release, ...about, '-o', annotation], {
    allowFailure: true,
  });
  return stdout.split(',').filter((id) => id !== '' && existsSync(`/proc/${id}`));
}

/** `values`: a file of the chart's values. */
async function installChart(image: OperatorImage, values: string | undefined): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }]);
  // An interrupted helm leaves a release that is pending for ever: only its record has to go.
  const pending = 'owner=helm,status in (pending-install,pending-upgrade,pending-rollback)';
  await kubectl('delete', 'secret', ...about, '--selector', pending);
  const args = ['upgrade', '--install', release, 'charts/quorate', ...about, '--reset-values'];
  // Whatever somebody applied or scaled by hand in the testbed: the chart decides.
  args.push('--force-conflicts', '--take-ownership');
  if (values !== undefined) args.push('--values', path.resolve(values));
  const rest = (await testsThatGoOn()).length > 0 ? { replicaCount: 0 } : {};
  await run(await findHelm(), [...args, '--kubeconfig', FILES.kubeconfig, '--history-max', '3', '--values', '-'], {
    cwd: ROOT,
    input: JSON.stringify({ image: { repository: image.repository, tag: image.tag }, ...rest }),
  });
}

async function rolledOut(): Promise<void> {
  const wait = ['rollout', 'status', `deployment/${release}`, ...about, '--timeout=90s'];
  try {
    await kubectlResult(wait, { timeoutMs: 100_000 });
  } catch (error) {
    const pods = await kubectl('get', 'pods', ...about, '-o', 'wide').catch(String);
    const log = await kubectl('logs', `deployment/${release}`, ...about, '--tail=30').catch(String);
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${pods}\n${log}`, { cause: error });
  }
}

/** A testbed that answers is good enough for `make dev`; all else is looked after by its own bring-up. */
async function running(): Promise<boolean> {
  if (!existsSync(path.join(STATE, 'complete')) || (await findEngine()) === undefined) return false;
  const ready = await kubectlResult(['get', '--raw=/readyz', '--request-timeout=2s'], { allowFailure: true });
  return ready.status === 0;
}

/** Idempotent. With `quick`, a testbed that runs is not looked at any closer. */
export async function deployOperator(
  progress: Progress,
  options: { quick: boolean; values?: string | undefined },
): Promise<OperatorImage> {
  if (!(options.quick && (await running()))) await bringUp('cached', progress);
  const image = await buildImage(progress);
  await progress.step(`load ${image.reference} into the nodes`, () => loadImage(image.reference));
  await writeFile(imageFile, `${JSON.stringify(image)}\n`);
  await progress.step('install the chart', () => installChart(image, options.values));
  await progress.step('roll the operator', rolledOut);
  return image;
}

if (import.meta.main) {
  await runScript(async (progress) => {
    const { values: flags } = parseArgs({
      options: { quick: { type: 'boolean', default: false }, values: { type: 'string' } },
    });
    const { reference } = await deployOperator(progress, flags);
    const kubeconfig = path.relative(process.cwd(), FILES.kubeconfig);
    const tests = await testsThatGoOn();
    if (tests.length > 0) {
      progress.note(`${reference} is installed and rests until the tests of process ${tests.join(', ')} have ended`);
      return;
    }
    progress.note(`${reference} runs in ${namespace}; export KUBECONFIG=${kubeconfig}`);
  });
}
