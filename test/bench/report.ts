// SPDX-License-Identifier: Apache-2.0
// Where the figures go: the terminal, a file for machines, and the tables in docs/performance.md.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ROOT, STATE, VERSIONS } from '../testbed/config.ts';
import { type Figure, table } from './figures.ts';
import type { Machine } from './machine.ts';

export interface Measured {
  figures: Figure[];
  /** Every sample with what explains it. */
  details?: object;
  /** Load average (1 minute) of the machine when it began and when it ended. */
  load: { before: number; after: number };
  time: string;
}

export interface Report {
  command: string;
  image: string;
  machine: Machine;
  measurements: Record<string, Measured>;
}

const document = path.join(ROOT, 'docs/performance.md');
const loadOf = ({ load }: Measured): string => `load average ${load.before.toFixed(1)} → ${load.after.toFixed(1)}`;

export function print({ measurements }: Report): string {
  return Object.entries(measurements)
    .map(([name, m]) => `\n${name} (${loadOf(m)})\n${table(m.figures)}`)
    .join('\n');
}

/** Resolves with the file's name, relative to the repository. */
export async function keep(report: Report): Promise<string> {
  const folder = path.join(STATE, 'bench');
  await mkdir(folder, { recursive: true });
  const time = new Date().toISOString().replaceAll(':', '-').slice(0, 19);
  const file = path.join(folder, `${time}.json`);
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  return path.relative(ROOT, file);
}

/** Replaces the generated part of each measurement that was taken; the others stay as they are. */
export async function writeDocument(report: Report): Promise<void> {
  let text = await readFile(document, 'utf8');
  for (const [name, measured] of Object.entries(report.measurements)) {
    const [begin, end] = [`<!-- bench ${name} -->`, `<!-- end ${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for ${name}`);
    text = `${text.slice(0, from + begin.length)}\n${section(report, measured)}\n${text.slice(to)}`;
  }
  await writeFile(document, text);
}

function section({ command, image, machine: m }: Report, measured: Measured): string {
  const where = `${m.processors}, ${m.memory}, ${m.kernel}; Kubernetes ${VERSIONS.kubernetes}, image \`${image}\``;
  return `${table(measured.figures)}\n\n${measured.time.slice(0, 16)}Z, ${where}; ${loadOf(measured)}. \`${command}\``;
}
