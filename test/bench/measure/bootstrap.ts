// SPDX-License-Identifier: Apache-2.0
// Time from apply to a working cluster, one and ten at once, in turn with the floor.
import { loadavg } from 'node:os';
import type { Bench } from '../bench.ts';
import { judgeSecret, type Prepared, prepareCluster, prepareFloor } from '../clusters.ts';
import { against, type Figure } from '../figures.ts';
import { findOperator, operatorRests } from '../process.ts';
import { Timeline } from '../timeline.ts';

type Members = 1 | 3 | 5 | 7;
const TIMEOUT_MS = 180_000;

/** One apply, in seconds. */
interface Sample {
  kind: 'ours' | 'floor';
  /** Every member answers Status with the same leader. */
  judge: number;
  /** The EtcdCluster says `Available`. */
  available?: number;
  /** Load of the machine when it began. */
  load: number;
  /** When the last pod had reached it. */
  milestones: object;
  /** What the operator did, with the second. */
  steps?: string[];
}

/** Figures of one size, with every sample in detail. */
export interface Bootstrap {
  figures: Figure[];
  details: { name: string; samples: Sample[] };
}

let serial = Math.floor(Date.now() / 1000) % 100_000;

export function bootstrap(bench: Bench, members: Members, runs: number): Promise<Bootstrap> {
  const name = `${members} member${members === 1 ? '' : 's'}`;
  return measure(bench, { name, members, clusters: 1, runs });
}

export function crowd(bench: Bench, runs: number): Promise<Bootstrap> {
  return measure(bench, { name: 'ten clusters of 3 at once', members: 3, clusters: 10, runs });
}

interface Case {
  name: string;
  members: Members;
  clusters: number;
  runs: number;
}

async function measure(bench: Bench, o: Case): Promise<Bootstrap> {
  const samples: Sample[] = [];
  const operator = await findOperator(bench);
  for (let run = 0; run < o.runs; run += 1) {
    // Who begins changes from run to run, so that neither always finds what the other has warmed or worn.
    const order = run % 2 === 0 ? (['floor', 'ours'] as const) : (['ours', 'floor'] as const);
    for (const kind of order) {
      await operatorRests(operator);
      const sample = await bench.alone(() => once(bench, kind, o));
      samples.push(sample);
      const available = sample.available === undefined ? '' : `, Available ${sample.available.toFixed(2)} s`;
      bench.progress.note(
        `${o.name}, run ${run + 1} of ${o.runs}, ${kind}: judge ${sample.judge.toFixed(2)} s${available} (load ${sample.load.toFixed(1)})`,
      );
    }
  }
  const of = (kind: Sample['kind'], time: (s: Sample) => number) => samples.filter((s) => s.kind === kind).map(time);
  const floor = { name: 'bare StatefulSet', samples: of('floor', (s) => s.judge) };
  const judged = of('ours', (s) => s.judge);
  const available = of('ours', (s) => Math.max(s.judge, s.available ?? Number.NaN));
  const bound = o.clusters === 1 ? { median: 1.3, worst: 2 } : { median: 1.3 };
  return {
    figures: [
      against({ name: `${o.name}: apply → Available`, unit: 's', samples: available, floor }, bound),
      { name: `${o.name}: apply → same leader everywhere`, unit: 's', samples: judged, floor },
    ],
    details: { name: o.name, samples },
  };
}

async function once(bench: Bench, kind: Sample['kind'], o: Case): Promise<Sample> {
  const names = Array.from({ length: o.clusters }, () => `${kind === 'ours' ? 'quor' : 'bare'}-${(serial += 1)}`);
  const prepared: Prepared[] = [];
  for (const name of names)
    prepared.push(
      kind === 'ours' ? prepareCluster(bench, name, o.members) : await prepareFloor(bench, name, o.members),
    );
  const timeline = new Timeline(bench.kube, bench.namespace);
  try {
    const load = loadavg()[0] ?? Number.NaN;
    const start = Date.now();
    const judged = names.map((name) =>
      bench.agent.judge({
        namespace: bench.namespace,
        name,
        members: o.members,
        secret: judgeSecret(name),
        timeoutMs: TIMEOUT_MS,
      }),
    );
    const available = kind === 'ours' ? names.map((name) => timeline.available(name, TIMEOUT_MS)) : [];
    const [, judgements, availables] = await Promise.all([
      Promise.all(prepared.map((p) => p.apply())),
      Promise.all(judged),
      Promise.all(available),
    ]);
    const since = (times: readonly number[]): number => (Math.max(...times) - start) / 1000;
    const first = names[0] as string;
    return {
      kind,
      load,
      judge: since(judgements.map((j) => j.at)),
      ...(kind === 'ours' ? { available: since(availables), steps: await steps(bench, first, start) } : {}),
      milestones: timeline.milestones(first, start),
    };
  } finally {
    timeline.close();
    await Promise.all(prepared.map((p) => p.remove()));
    await bench.clear();
  }
}

/** The operator's steps for one cluster, each with the seconds since the apply. */
async function steps(bench: Bench, name: string, start: number): Promise<string[]> {
  const lines = (await bench.operatorLog()).filter((line) => line.name === name && line.step !== undefined);
  return lines.map((line) => `${((Date.parse(line.time) - start) / 1000).toFixed(2)} ${line.step}`);
}
