// SPDX-License-Identifier: Apache-2.0
// Writes the CRDs and the API reference from the schemas; with --check only says whether they are up to date.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import { backupDefinition, clusterDefinition } from '../src/api/crd.ts';
import { GROUP } from '../src/api/names.ts';
import { apiReference } from '../src/api/reference.ts';

const yaml = (o: unknown): string =>
  `# Generated from src/api by \`make generate\`.\n${stringify(o, { lineWidth: 0, aliasDuplicateObjects: false })}`;

const files: Record<string, string> = {
  [`crds/${GROUP}_etcdclusters.yaml`]: yaml(clusterDefinition()),
  [`crds/${GROUP}_etcdbackups.yaml`]: yaml(backupDefinition()),
  'docs/api.md': apiReference(),
};

const check = process.argv.includes('--check');
let stale = 0;
for (const [path, wanted] of Object.entries(files)) {
  const present = await readFile(path, 'utf8').catch(() => '');
  if (present === wanted) continue;
  stale += 1;
  if (check) console.error(`${path} is not what src/api says; run make generate`);
  else {
    await mkdir(path.slice(0, path.lastIndexOf('/')), { recursive: true });
    await writeFile(path, wanted);
    console.log(`wrote ${path}`);
  }
}
process.exitCode = check && stale > 0 ? 1 : 0;
