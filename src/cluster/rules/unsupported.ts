// SPDX-License-Identifier: Apache-2.0
// Names the edits of a formed cluster that this version cannot carry out yet: no edit is ever silently without effect.
import { edits } from '../formation.ts';
import type { Observed } from '../observed.ts';
import type { Ruling } from './rule.ts';

export function unsupportedRule(o: Observed): Ruling | undefined {
  if (o.identity?.phase !== 'Formed') return undefined;
  const changed = edits(o.spec, o.identity.formation);
  if (changed.length === 0) return undefined;
  const message =
    `${changed.join(', ')}: this version of Quorate cannot change ${changed.length === 1 ? 'it' : 'them'} on a running cluster; ` +
    'the cluster goes on as it was formed. Set the old value again to clear this.';
  return { finding: { kind: 'blocked', reason: 'UnsupportedChange', message } };
}
