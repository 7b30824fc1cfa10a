// SPDX-License-Identifier: Apache-2.0
// Tests that a remedy is an order: conditions put "to do:" before it, after the cause.
import { expect, it } from 'vitest';
import { REMEDIES } from './failures.ts';

it.each(Object.entries(REMEDIES))('%s tells what to do: %s', (_, remedy) => {
  expect(remedy).toMatch(/^(allow|check|compare|correct|create|install|look|make|move|put|report|set|use) /);
  expect(remedy).toMatch(/; then create a new EtcdBackup$/);
});
