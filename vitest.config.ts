// SPDX-License-Identifier: Apache-2.0
// Three kinds of tests: pure code, single parts against the real thing, and behaviour on the testbed.
import { defineConfig } from 'vitest/config';

// Tests that need nothing but the process, also where they judge the test tools themselves.
const unit = [
  'src/**/*.test.ts',
  'scripts/**/*.test.ts',
  'test/unit/**/*.test.ts',
  'test/testbed/{proxy,recorder}/**/*.test.ts',
];

// Behaviour of the operator while nodes are disturbed.
const alone = ['test/e2e/alone/**/*.test.ts'];

export default defineConfig({
  test: {
    // A skipped or focused test would be a hidden failure.
    allowOnly: false,
    retry: 0,
    // Three files at once, with five clusters forming in each, would wait for the processors longer than for anything tested.
    maxConcurrency: 3,
    projects: [
      { test: { name: 'unit', include: unit, pool: 'threads', testTimeout: 10_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: alone,
          globalSetup: ['test/e2e/harness/global-setup.ts'],
          pool: 'forks',
          // Files wait for the cluster most of the time: more of them than cores.
          maxWorkers: 3,
          testTimeout: 180_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          // Kills nodes and cuts networks under everything that runs: alone, after the others.
          name: 'testbed',
          include: [...alone, 'test/testbed/**/*.test.ts'],
          exclude: unit,
          maxWorkers: 1,
          globalSetup: ['test/e2e/harness/global-setup.ts'],
          pool: 'forks',
          testTimeout: 180_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
