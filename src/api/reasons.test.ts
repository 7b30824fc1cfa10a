// SPDX-License-Identifier: Apache-2.0
// Tests that the tables of conditions and reasons say what the code says: none missing, none left over.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONDITIONS } from './conditions.ts';
import { REASONS } from './reasons.ts';

const root = path.join(import.meta.dirname, '..');
const sources = ['cluster', 'backup']
  .flatMap((layer) =>
    readdirSync(path.join(root, layer), { recursive: true, encoding: 'utf8' }).map((f) => path.join(root, layer, f)),
  )
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => ({ file, text: readFileSync(file, 'utf8') }));
const failures = sources.find((s) => s.file.endsWith(path.join('backup', 'failures.ts')))?.text ?? '';

/** Where code gives a reason: a field, or one of the helpers that make a condition or a verdict. */
const GIVEN =
  /\breason: '([A-Z][A-Za-z]+)'|\b(?:progress|blocked)\(\s*'([A-Z][A-Za-z]+)'|\bmake\(\s*'[A-Za-z]+',\s*'[A-Za-z]+',\s*'([A-Z][A-Za-z]+)'/g;

describe('the tables', () => {
  it('hold every reason that the code gives', () => {
    const given = sources.flatMap(({ file, text }) =>
      [...text.matchAll(GIVEN)].map((m) => ({ file: path.relative(root, file), reason: m[1] ?? m[2] ?? m[3] ?? '' })),
    );
    expect(given.length).toBeGreaterThan(30);
    expect(given.filter((g) => REASONS[g.reason] === undefined && !failures.includes(`  ${g.reason}:`))).toEqual([]);
  });
  it('hold no reason that the code never gives', () => {
    const all = sources.map((s) => s.text).join('\n');
    expect(Object.keys(REASONS).filter((reason) => !all.includes(`'${reason}'`))).toEqual([]);
  });
  it('name conditions that exist', () => {
    const named = Object.values(REASONS)
      .flatMap((r) => r.on.replace(/\(.*?\)/g, '').split(/,| and /))
      .map((s) => s.trim());
    expect([...new Set(named)].filter((type) => !['Event', 'log'].includes(type) && !(type in CONDITIONS))).toEqual([]);
  });
  it('hold every condition that the code sets', () => {
    const set = sources.flatMap(({ text }) => [...text.matchAll(/\bmake\(\s*'([A-Za-z]+)',/g)].map((m) => m[1] ?? ''));
    expect([...new Set(set)].filter((type) => !(type in CONDITIONS))).toEqual([]);
  });
});
