// SPDX-License-Identifier: Apache-2.0
// Names the edits of a formed cluster that this version cannot carry out yet: no edit is ever silently without effect.
import { isDeepStrictEqual } from 'node:util';
import { wantedFormation } from '../identity.ts';
import type { Observed } from '../observed.ts';
import type { Ruling } from './rule.ts';

/** Differences by path, to the depth that a user edits: `spec.etcd.quota`, `spec.pods.resources`. */
function changedFields(from: object, to: object, path = 'spec', depth = 2): string[] {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].toSorted();
  return keys.flatMap((key) => {
    const [a, b] = [(from as Record<string, unknown>)[key], (to as Record<string, unknown>)[key]];
    if (isDeepStrictEqual(a, b)) return [];
    const nested = depth > 1 && [a, b].every((v) => typeof v === 'object' && v !== null && !Array.isArray(v));
    if (nested) return changedFields(a as object, b as object, `${path}.${key}`, depth - 1);
    return [`${path}.${key} (${show(a)} → ${show(b)})`];
  });
}

/** Volumes never shrink, so the API server does not take a larger size back. */
const remedy = (changed: readonly string[]): string =>
  changed.some((field) => field.startsWith('spec.storage.size'))
    ? 'The larger storage.size stays asked for until a version that grows volumes; set the other old values again to clear them.'
    : 'Set the old value again to clear this.';

const show = (v: unknown): string => {
  if (v === undefined) return 'unset';
  return typeof v === 'string' ? v : JSON.stringify(v).slice(0, 80);
};

export function unsupportedRule(o: Observed): Ruling | undefined {
  if (o.identity?.phase !== 'Formed') return undefined;
  const changed = changedFields(o.identity.formation, wantedFormation(o.cluster, o.spec, o.identity.formation));
  if (changed.length === 0) return undefined;
  const message =
    `${changed.join(', ')}: this version of Quorate cannot change ${changed.length === 1 ? 'it' : 'them'} on a running cluster; ` +
    `the cluster goes on as it was formed. ${remedy(changed)}`;
  return { finding: { kind: 'blocked', reason: 'UnsupportedChange', message } };
}
