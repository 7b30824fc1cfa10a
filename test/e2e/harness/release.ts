// SPDX-License-Identifier: Apache-2.0
// The operator that `make testbed` installed: rests while the tests run their own, and lends them its image.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pods } from '../../../src/runtime/resources.ts';
import { operatorImageFile } from './files.ts';
import type { Kube } from './kube.ts';
import { type Deployment, deployments } from './resources.ts';
import { until } from './until.ts';

const installed = { namespace: 'quorate-system', name: 'quorate' };
/** Remembers how many replicas to give back, also after a run that was killed. */
const replicasAnnotation = 'quorate.dev/replicas-before-e2e';
/** Process ids of the runs that need it to rest, so that one that ends does not wake it under another. */
const runsAnnotation = 'quorate.dev/e2e-runs';
/** On every namespace that the tests make, with the run's process id: a later run removes what a killed one left. */
export const e2eLabel = 'quorate-e2e';

export interface ChartImage {
  repository: string;
  tag: string;
}

/** The image that was last loaded into the nodes, or `QUORATE_IMAGE`, as the chart's values name it. */
export async function loadedImage(): Promise<ChartImage> {
  const [named, asked] = (process.env.QUORATE_IMAGE ?? '').split(':');
  if (named && asked) return { repository: named, tag: asked };
  const { repository, tag }: ChartImage = JSON.parse(await readFile(operatorImageFile, 'utf8'));
  return { repository, tag };
}

/** Whether a run that made something still goes on. */
export const goesOn = (run: number): boolean => existsSync(`/proc/${run}`);

const othersOf = (found: Deployment, run: number): number[] =>
  (found.metadata.annotations?.[runsAnnotation] ?? '')
    .split(',')
    .map(Number)
    .filter((other) => other > 0 && other !== run && goesOn(other));

/** Two operators on one namespace would fight: the installed one sleeps while a run needs it to. */
export async function rest(kube: Kube, run = process.pid): Promise<void> {
  const found = await kube.find(deployments, installed);
  if (!found) return;
  const before = found.metadata.annotations?.[replicasAnnotation] ?? String(found.spec?.replicas ?? 1);
  const runs = [...othersOf(found, run), run].join(',');
  await kube.patch(deployments, installed, {
    metadata: { annotations: { [replicasAnnotation]: before, [runsAnnotation]: runs } },
    spec: { replicas: 0 },
  });
  await until('the installed operator rests', {
    within: 60_000,
    read: async () => ({
      deployment: await kube.get(deployments, installed),
      pods: await kube.list(pods, installed.namespace, 'app.kubernetes.io/name=quorate'),
    }),
    holds: ({ deployment: { metadata, status }, pods: left }) =>
      (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) && left.length === 0,
  });
}

export async function wake(kube: Kube, run = process.pid): Promise<void> {
  const found = await kube.find(deployments, installed);
  const before = found?.metadata.annotations?.[replicasAnnotation];
  if (!found || before === undefined) return;
  const others = othersOf(found, run);
  const woken = { metadata: { annotations: { [replicasAnnotation]: null, [runsAnnotation]: null } } };
  const patch =
    others.length > 0
      ? { metadata: { annotations: { [runsAnnotation]: others.join(',') } } }
      : { ...woken, spec: { replicas: Number(before) } };
  await kube.patch(deployments, installed, patch);
}
