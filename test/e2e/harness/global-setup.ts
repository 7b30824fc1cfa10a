// SPDX-License-Identifier: Apache-2.0
// Before all e2e files: proxy and recorder run and the installed operator rests; after them: everything as it was.
import { findEngine } from '../../testbed/engine.ts';
import { ensureProxy } from '../../testbed/proxy/container.ts';
import { ensureRecorder } from '../../testbed/recorder/container.ts';
import { kubeconfigFile } from './files.ts';
import { Kube } from './kube.ts';
import { e2eLabel, goesOn, rest, wake } from './release.ts';
import { namespaces } from './resources.ts';
import { until } from './until.ts';

/** Vitest calls this once and awaits the function that it returns at the end. */
export default async function setUp(): Promise<() => Promise<void>> {
  if ((await findEngine()) === undefined) throw new Error('no testbed is running: make testbed');
  const kube = await Kube.fromKubeconfig(kubeconfigFile);
  await rest(kube);
  // Test processes inherit this, and write it on what they make.
  process.env.QUORATE_E2E_RUN = String(process.pid);
  await Promise.all([ensureProxy(), ensureRecorder(), removeNamespaces(kube, (run) => !goesOn(run))]);
  return async () => {
    await removeNamespaces(kube, (run) => run === process.pid);
    await wake(kube);
    await kube.close();
  };
}

async function removeNamespaces(kube: Kube, whose: (run: number) => boolean): Promise<void> {
  const list = async () =>
    (await kube.list(namespaces, undefined, e2eLabel)).filter(({ metadata }) =>
      whose(Number(metadata.labels?.[e2eLabel])),
    );
  for (const { metadata } of await list()) await kube.delete(namespaces, metadata);
  await until('the namespaces of the tests are gone', {
    within: 120_000,
    read: list,
    holds: (found) => found.length === 0,
  });
}
