// SPDX-License-Identifier: Apache-2.0
// Before all e2e files: proxy and recorder run and the installed operator rests; after them: everything as it was.
import { findEngine } from '../../testbed/engine.ts';
import { ensureProxy } from '../../testbed/proxy/container.ts';
import { ensureRecorder } from '../../testbed/recorder/container.ts';
import { kubeconfigFile } from './files.ts';
import { Kube } from './kube.ts';
import { e2eLabel, rest, wake } from './release.ts';
import { namespaces } from './resources.ts';
import { until } from './until.ts';

/** Vitest calls this once and awaits the function that it returns at the end. */
export default async function setUp(): Promise<() => Promise<void>> {
  if ((await findEngine()) === undefined) throw new Error('no testbed is running: make testbed');
  const kube = await Kube.fromKubeconfig(kubeconfigFile);
  await rest(kube);
  await Promise.all([ensureProxy(), ensureRecorder(), removeNamespaces(kube)]);
  return async () => {
    await removeNamespaces(kube);
    await wake(kube);
    await kube.close();
  };
}

/** Also what a killed run left. */
async function removeNamespaces(kube: Kube): Promise<void> {
  const list = () => kube.list(namespaces, undefined, e2eLabel);
  for (const { metadata } of await list()) await kube.delete(namespaces, metadata);
  await until('the namespaces of the tests are gone', {
    within: 120_000,
    read: list,
    holds: (found) => found.length === 0,
  });
}
