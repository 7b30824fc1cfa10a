// SPDX-License-Identifier: Apache-2.0
// Time from the start of the operator's process to its first reconcile, seen by what that repairs.
import { services } from '../../../src/runtime/resources.ts';
import { until } from '../../e2e/harness/until.ts';
import type { Bench } from '../bench.ts';
import { prepareCluster } from '../clusters.ts';
import { atMost, type Figure } from '../figures.ts';
import { findOperator, readProcess } from '../process.ts';
import { Timeline } from '../timeline.ts';

const NAME = 'restarted';

/**
 * A Service is deleted while no operator runs. The first reconcile puts it back and logs the step before it is taken;
 * the process counts from when the kernel made it, which is before the container runtime hands it to Node.
 */
export async function start(bench: Bench, runs: number): Promise<{ figures: Figure[]; details: object }> {
  const cluster = prepareCluster(bench, NAME, 3);
  const timeline = new Timeline(bench.kube, bench.namespace);
  const samples: number[] = [];
  const leading: number[] = [];
  try {
    await cluster.apply();
    await timeline.available(NAME, 180_000);
    timeline.close();
    for (let run = 0; run < runs; run += 1) {
      await bench.scaleOperator(0);
      await bench.kube.delete(services, { namespace: bench.namespace, name: `${NAME}-client` });
      await bench.scaleOperator(1);
      const lines = await until('the first reconcile', {
        within: 60_000,
        read: () => bench.operatorLog(),
        holds: (log) => log.some((l) => l.step === 'PutChildren'),
      });
      const { startedAt } = await readProcess(await findOperator(bench));
      const since = (line: { time: string } | undefined): number => (Date.parse(line?.time ?? '') - startedAt) / 1000;
      samples.push(since(lines.find((l) => l.step === 'PutChildren')));
      leading.push(since(lines.find((l) => l.msg === 'leading')));
      bench.progress.note(
        `operator start, run ${run + 1} of ${runs}: ${samples.at(-1)?.toFixed(2)} s, leading after ${leading.at(-1)?.toFixed(2)} s`,
      );
    }
    return {
      figures: [atMost({ name: 'operator start → first reconcile', unit: 's', samples }, 1)],
      details: { leading },
    };
  } finally {
    timeline.close();
    await cluster.remove();
    await bench.clear();
  }
}
