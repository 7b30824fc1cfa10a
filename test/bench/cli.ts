// SPDX-License-Identifier: Apache-2.0
// `make bench`: measures the operator on the testbed, prints a table, keeps everything as JSON.
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { deployOperator } from '../../scripts/deploy.ts';
import { runScript } from '../../scripts/lib/main.ts';
import { findEngine } from '../testbed/engine.ts';
import { Bench } from './bench.ts';
import type { Figure } from './figures.ts';
import { machine } from './machine.ts';
import { backup } from './measure/backup.ts';
import { bootstrap, crowd } from './measure/bootstrap.ts';
import { idle } from './measure/idle.ts';
import { start } from './measure/start.ts';
import { keep, print, type Report, writeDocument } from './report.ts';

interface Outcome {
  figures: Figure[];
  details?: object;
}

interface Effort {
  runs: number;
  quick: boolean;
}

const measurements: Record<string, (bench: Bench, effort: Effort) => Promise<Outcome>> = {
  bootstrap1: (bench, { runs }) => bootstrap(bench, 1, runs),
  bootstrap3: (bench, { runs }) => bootstrap(bench, 3, runs),
  bootstrap5: (bench, { runs }) => bootstrap(bench, 5, runs),
  bootstrap7: (bench, { runs }) => bootstrap(bench, 7, runs),
  crowd: (bench, { runs }) => crowd(bench, runs),
  idle: (bench, { quick }) =>
    bench.alone(() => idle(bench, { idleMs: quick ? 60_000 : 300_000, settleMs: quick ? 15_000 : 70_000 })),
  start: (bench, { runs }) => bench.alone(() => start(bench, runs)),
  backup: (bench, { runs }) => bench.alone(() => backup(bench, runs)),
};

const usage = `usage: node test/bench/cli.ts [--only name,…] [--runs N] [--quick] [--write] [--as-is] [--values JSON]
  --only    ${Object.keys(measurements).join(', ')}; default: all
  --runs    samples of each figure, default 10
  --quick   3 runs, 1 minute of idleness
  --write   puts the table into docs/performance.md
  --as-is   measures the image that is loaded, instead of building and loading this tree's
  --values  further values of the chart for the measured operator, such as {"resources":{}}`;

const load = (): number => loadavg()[0] ?? Number.NaN;

await runScript(async (progress) => {
  const { values: flags } = parseArgs({
    options: {
      only: { type: 'string' },
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      values: { type: 'string' },
      write: { type: 'boolean', default: false },
      'as-is': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (flags.help) return console.log(usage);
  const names = flags.only?.split(',') ?? Object.keys(measurements);
  const unknown = names.find((name) => !(name in measurements));
  if (unknown !== undefined) throw new Error(`no measurement ${unknown}\n${usage}`);
  const runs = flags.runs === undefined ? (flags.quick ? 3 : 10) : Number(flags.runs);
  if (flags['as-is']) await findEngine();
  else await deployOperator(progress, { quick: true });
  const values: object = flags.values === undefined ? {} : JSON.parse(flags.values);
  const bench = await Bench.open(progress, values);
  const command = `node test/bench/cli.ts ${process.argv.slice(2).join(' ')}`.trim();
  const report: Report = { command, image: bench.image, machine: machine(), measurements: {} };
  try {
    for (const name of names) {
      const [time, before] = [new Date().toISOString(), load()];
      const measure = measurements[name] as (b: Bench, e: Effort) => Promise<Outcome>;
      const outcome = await measure(bench, { runs, quick: flags.quick });
      report.measurements[name] = { ...outcome, time, load: { before, after: load() } };
    }
    if (flags.write) await writeDocument(report);
  } finally {
    console.log(`${print(report)}\n\n${await keep(report)}`);
    await bench.close();
  }
});
