// SPDX-License-Identifier: Apache-2.0
// `make bench`: measures the operator on the testbed, prints a table, keeps everything as JSON.
import { mkdir, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { deployOperator } from '../../scripts/deploy.ts';
import { runScript } from '../../scripts/lib/main.ts';
import { ROOT, STATE } from '../testbed/config.ts';
import { findEngine } from '../testbed/engine.ts';
import { Bench } from './bench.ts';
import { type Figure, table } from './figures.ts';
import { type Machine, machine } from './machine.ts';
import { backup } from './measure/backup.ts';
import { bootstrap, crowd } from './measure/bootstrap.ts';
import { idle } from './measure/idle.ts';
import { start } from './measure/start.ts';

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
  idle: (bench, { quick }) => idle(bench, { idleMs: quick ? 60_000 : 300_000, settleMs: quick ? 15_000 : 30_000 }),
  start: (bench, { runs }) => start(bench, runs),
  backup: (bench, { runs }) => backup(bench, runs),
};

const usage = `usage: node test/bench/cli.ts [--only name,…] [--runs N] [--quick] [--write] [--as-is]
  --only    ${Object.keys(measurements).join(', ')}; default: all
  --runs    samples of each figure, default 10
  --quick   3 runs, 1 minute of idleness
  --write   puts the table into docs/performance.md
  --as-is   measures the image that is loaded, instead of building and loading this tree's`;

interface Report {
  command: string;
  time: string;
  image: string;
  machine: Machine;
  load: { before: number; after: number };
  figures: Figure[];
  details: Record<string, object>;
}

await runScript(async (progress) => {
  const { values: flags } = parseArgs({
    options: {
      only: { type: 'string' },
      runs: { type: 'string' },
      quick: { type: 'boolean', default: false },
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
  const load = { before: loadavg()[0] ?? 0, after: 0 };
  const bench = await Bench.open(progress);
  const figures: Figure[] = [];
  const details: Record<string, object> = {};
  try {
    for (const name of names) {
      const outcome = await (measurements[name] as (b: Bench, e: Effort) => Promise<Outcome>)(bench, {
        runs,
        quick: flags.quick,
      });
      figures.push(...outcome.figures);
      if (outcome.details !== undefined) details[name] = outcome.details;
    }
  } finally {
    load.after = loadavg()[0] ?? 0;
    const command = `make bench  # node test/bench/cli.ts ${process.argv.slice(2).join(' ')}`.trim();
    const report = {
      command,
      time: new Date().toISOString(),
      image: bench.image,
      machine: await machine(),
      load,
      figures,
      details,
    };
    const file = await keep(report);
    console.log(`\n${table(figures)}\n\nload average ${load.before.toFixed(1)} → ${load.after.toFixed(1)}; ${file}`);
    await bench.close();
  }
});

async function keep(report: Report): Promise<string> {
  const folder = path.join(STATE, 'bench');
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, `${report.time.replaceAll(':', '-').slice(0, 19)}.json`);
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  return path.relative(ROOT, file);
}
