// SPDX-License-Identifier: Apache-2.0
// What a measurement yields: figures with their samples, judged against a goal, and their table.

export interface Figure {
  /** What was measured, as the table shows it. */
  name: string;
  unit: 's' | 'MB' | '%' | 'ms' | 'requests';
  /** In `unit`, in the order of the runs. */
  samples: number[];
  /** The same unit, measured in turn with `samples`. */
  floor?: { name: string; samples: number[] };
  /** In words; absent for figures that only explain another. */
  goal?: string;
  /** Whether the goal is reached. */
  reached?: boolean;
}

export interface Bound {
  median?: number;
  worst?: number;
}

function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return (low + high) / 2;
}

const worst = (samples: readonly number[]): number => Math.max(...samples);

/** A figure whose median (and worst, against the floor's median and worst) must stay within a multiple of the floor's. */
export function against(figure: Required<Pick<Figure, 'name' | 'unit' | 'samples' | 'floor'>>, bound: Bound): Figure {
  const { samples, floor } = figure;
  const parts: string[] = [];
  let reached = true;
  for (const [name, of] of [
    ['median', median],
    ['worst', worst],
  ] as const) {
    const limit = bound[name];
    if (limit === undefined) continue;
    parts.push(`${name} ≤ ${limit} × floor`);
    reached &&= of(samples) <= limit * of(floor.samples);
  }
  return { ...figure, goal: parts.join(', '), reached };
}

/** A figure whose worst sample must not exceed `limit`. */
export function atMost(figure: Pick<Figure, 'name' | 'unit' | 'samples'>, limit: number): Figure {
  return { ...figure, goal: `≤ ${limit} ${figure.unit}`, reached: worst(figure.samples) <= limit };
}

const digits = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1));

function ratio(f: Figure): string {
  if (f.floor === undefined) return '';
  return `${(median(f.samples) / median(f.floor.samples)).toFixed(2)} / ${(worst(f.samples) / worst(f.floor.samples)).toFixed(2)}`;
}

/** A Markdown table, aligned, to be read as text too. */
export function table(figures: readonly Figure[]): string {
  const head = [
    'figure',
    'runs',
    'median',
    'worst',
    'floor median',
    'floor worst',
    'ratio (median / worst)',
    'goal',
    '',
  ];
  const rows = figures.map((f) => [
    `${f.name} (${f.unit})`,
    String(f.samples.length),
    digits(median(f.samples)),
    digits(worst(f.samples)),
    f.floor === undefined ? '' : digits(median(f.floor.samples)),
    f.floor === undefined ? '' : digits(worst(f.floor.samples)),
    ratio(f),
    f.goal ?? '',
    f.reached === undefined ? '' : f.reached ? 'reached' : '**missed**',
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length), 3));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((w) => '-'.repeat(w + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}
