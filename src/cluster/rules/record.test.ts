// SPDX-License-Identifier: Apache-2.0
// The labels of the record are put back; those that others added are no drift.
import { describe, expect, it } from 'vitest';
import { LABELS } from '../../api/names.ts';
import type { ConfigMap } from '../../runtime/resources.ts';
import { expected, observed, outcome, type Row } from '../fixtures.ts';

const labelled = (labels: Record<string, string>): ConfigMap => {
  const { metadata } = observed().config as ConfigMap;
  return { metadata: { ...metadata, labels } };
};
const labels = observed().config?.metadata.labels ?? {};
const { [LABELS.cluster]: _, ...without } = labels;

const rows: Row[] = [
  {
    sentence: 'without the label of its cluster it is written again, as it is',
    seen: observed({ config: labelled(without) }),
    action: 'RecordIdentity',
    reason: 'ChildrenRestored',
  },
  {
    sentence: 'with another value of a label too',
    seen: observed({ config: labelled({ ...labels, 'app.kubernetes.io/managed-by': 'else' }) }),
    action: 'RecordIdentity',
    reason: 'ChildrenRestored',
  },
  { sentence: 'a label more is nobody’s business', seen: observed({ config: labelled({ ...labels, team: 'x' }) }) },
];

describe('the record', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});
