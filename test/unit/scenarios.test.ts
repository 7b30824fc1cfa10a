// SPDX-License-Identifier: Apache-2.0
// The table of scenarios in test/e2e/README.md names tests that exist.
import { readFileSync } from 'node:fs';
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
