// SPDX-License-Identifier: Apache-2.0
// Writes the CRDs and the API reference from the schemas; with --check only says whether they are up to date.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { definitions } from '../src/api/crd.ts';
import { apiReference } from '../src/api/reference.ts';
import { REMEDIES } from '../src/backup/failures.ts';

const repository = path.join(import.meta.dirname, '..');

const yaml = (o: unknown): string =>
  `# Generated from src/api by \`make generate\`.\n${stringify(o, { lineWidth: 0, aliasDuplicateObjects: false })}`;

const files: Record<string, string> = {
  ...Object.fromEntries(Object.entries(definitions()).map(([name, d]) => [`crds/${name}`, yaml(d)])),
  'docs/api.md': apiReference(REMEDIES),
};

const check = process.argv.includes('--check');
let stale = 0;
for (const [name, wanted] of Object.entries(files)) {
  const file = path.join(repository, name);
  const present = await readFile(file, 'utf8').catch(() => undefined);
  if (present === wanted) continue;
  stale += 1;
  if (check) {
    console.error(`${name} is not what src/api says; run make generate`);
    continue;
  }
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, wanted);
  console.log(`wrote ${name}`);
}
process.exitCode = check && stale > 0 ? 1 : 0;
