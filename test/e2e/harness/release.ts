// SPDX-License-Identifier: Apache-2.0
// The operator that `make testbed` installed: rests while the tests run their own, and lends them its image.
import { readFile } from 'node:fs/promises';
import { operatorImageFile } from './files.ts';
import type { Kube } from './kube.ts';
import { deployments } from './resources.ts';

const installed = { namespace: 'quorate-system', name: 'quorate' };
/** Remembers how many replicas to give back, also after a run that was killed. */
const replicasAnnotation = 'quorate.dev/replicas-before-e2e';
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

/** Two operators on one namespace would fight: the installed one sleeps. */
export async function rest(kube: Kube): Promise<void> {
  const found = await kube.find(deployments, installed);
  if (!found) return;
  const before = found.metadata.annotations?.[replicasAnnotation] ?? String(found.spec?.replicas ?? 1);
  await kube.patch(deployments, installed, {
    metadata: { annotations: { [replicasAnnotation]: before } },
    spec: { replicas: 0 },
  });
}

export async function wake(kube: Kube): Promise<void> {
  const found = await kube.find(deployments, installed);
  const before = found?.metadata.annotations?.[replicasAnnotation];
  if (before === undefined) return;
  await kube.patch(deployments, installed, {
    metadata: { annotations: { [replicasAnnotation]: null } },
    spec: { replicas: Number(before) },
  });
}
