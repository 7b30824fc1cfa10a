// SPDX-License-Identifier: Apache-2.0
// The table of scenarios in test/e2e/README.md names tests that exist, and each numbered scenario of the runtime has a test.
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const folder = path.resolve(import.meta.dirname, '../e2e');
const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');
const rows = [...read('README.md').matchAll(/^\| (\w+) \| `([^`]+)` \| (.+) \|$/gm)].map(
  ([, scenario = '', file = '', title = '']) => [scenario, file, title] as const,
);

it('the table has a row for every scenario', () => {
  expect(rows.map(([scenario]) => scenario)).toEqual([
    'TestInvalidClusterSize',
    'TestClusterHealthy',
    'TestPodRecovery',
    'TestEtcdClusterFunctionality',
    'TestDataPersistence',
    'TestEtcdOptions',
    'TestSeedDataDirLossDoesNotRebootstrap',
    'DoNotDeletePersistentVolumeClaimByDefault',
  ]);
});

it.each(rows)('%s is tested in %s', (_scenario, file, title) => {
  expect(read(file)).toContain(`'${title}'`);
});

/** Of the catalogue of failures: what the API server, a crash, or a second operator does to the controller runtime. */
const numbers = [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 27, 28, 29, 30, 31, 34];
const files = globSync('runtime-*.test.ts', { cwd: folder });
const titles = files.flatMap((file) => [...read(file).matchAll(/\btest(?:\.\w+)*\(\s*['`](\d+)\. /g)]);

it.each(numbers)('scenario %i of the runtime has a test whose name begins with its number', (number) => {
  expect(titles.map(([, found]) => Number(found))).toContain(number);
});
