// SPDX-License-Identifier: Apache-2.0
// What to say when an object of our name is not ours: it is never taken over.
import type { Foreign, Observed } from '../observed.ts';
import type { Ruling } from './rule.ts';

/** Until a cluster is formed nothing goes on beside it; from then on it stops no more than what depends on it. */
export function foreignRuling(
  o: Observed,
  kind: string,
  name: string,
  foreign: Exclude<Foreign, undefined>,
  remedy = 'rename or delete it, or give the cluster another name',
): Ruling {
  if (foreign === 'predecessor') {
    const message = `waiting until the ${kind} ${name} of the deleted cluster of this name is gone`;
    return { stop: true, finding: { kind: 'progress', reason: 'WaitingForDeletion', message } };
  }
  const message = `the ${kind} ${name} exists and was not made for this cluster; ${remedy}`;
  const stop = o.identity?.phase !== 'Formed';
  return { stop, finding: { kind: 'blocked', reason: 'NameConflict', message } };
}
