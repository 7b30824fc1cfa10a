// SPDX-License-Identifier: Apache-2.0
// Tells of a spec that cannot be meant: the cluster that was formed before it goes on.
import type { Observed } from '../observed.ts';
import type { Ruling } from './rule.ts';

export function specRule({ specFailure }: Observed): Ruling | undefined {
  if (specFailure === undefined) return undefined;
  const message = `${specFailure.field}: ${specFailure.message}; until then the cluster goes on as it was formed`;
  return { finding: { kind: 'blocked', reason: 'InvalidSpec', message } };
}
