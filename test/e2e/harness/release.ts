// SPDX-License-Identifier: Apache-2.0
// The operator that `make testbed` installed: rests while the tests run their own, and lends them its image.
import type { Kube } from './kube.ts';
import { type Deployment, deployments } from './resources.ts';

const installed = { namespace: 'quorate-system', name: 'quorate' };
/** Remembers how many replicas to give back, also after a run that was killed. */
const replicasAnnotation = 'quorate.dev/replicas-before-e2e';
/** On every namespace that the tests make, so that a later run can remove what a killed one left. */
export const e2eLabel = 'quorate-e2e';

interface WithImage extends Deployment {
  spec?: Deployment['spec'] & { template?: { spec?: { containers?: { image?: string }[] } } };
}

export interface ChartImage {
  repository: string;
  tag: string;
}

/** The image of the installed release, as the chart's values name it. */
export async function installedImage(kube: Kube): Promise<ChartImage> {
  const found: WithImage = await kube.get(deployments, installed);
  const reference = found.spec?.template?.spec?.containers?.[0]?.image ?? '';
  const colon = reference.lastIndexOf(':');
  if (colon < 0) throw new Error(`the installed release has the image "${reference}"`);
  return { repository: reference.slice(0, colon), tag: reference.slice(colon + 1) };
}

/** Two operators on one namespace would fight: the installed one sleeps. */
export async function rest(kube: Kube): Promise<void> {
  const found = await kube.get(deployments, installed);
  const before = found.metadata.annotations?.[replicasAnnotation] ?? String(found.spec?.replicas ?? 1);
  await kube.patch(deployments, installed, {
    metadata: { annotations: { [replicasAnnotation]: before } },
    spec: { replicas: 0 },
  });
}

export async function wake(kube: Kube): Promise<void> {
  const found = await kube.get(deployments, installed);
  const before = found.metadata.annotations?.[replicasAnnotation];
  if (before === undefined) return;
  await kube.patch(deployments, installed, {
    metadata: { annotations: { [replicasAnnotation]: null } },
    spec: { replicas: Number(before) },
  });
}
