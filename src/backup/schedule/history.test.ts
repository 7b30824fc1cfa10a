// SPDX-License-Identifier: Apache-2.0
// Which EtcdBackups of a schedule are old enough to go, and which nobody may clear away.
import { describe, expect, it } from 'vitest';
import { scheduled } from '../fixtures.ts';
import { KEEP_COMPLETED, KEEP_FAILED, outdated } from './history.ts';

const runs = (n: number, ready: 'True' | 'False') =>
  Array.from({ length: n }, (_, i) =>
    scheduled(`${ready}-${String(i).padStart(2, '0')}`, `2026-11-${String(i + 1).padStart(2, '0')}T00:00:00Z`, ready),
  );

describe('the history of a schedule', () => {
  it('keeps the newest of each kind', () => {
    const old = outdated([...runs(KEEP_COMPLETED + 2, 'True'), ...runs(KEEP_FAILED + 1, 'False')]);
    expect(old.map((b) => b.metadata.name).toSorted()).toEqual(['False-00', 'True-00', 'True-01']);
  });
  it('keeps by name those of one second, and each schedule its own', () => {
    const second = '2026-11-01T00:00:00Z';
    const made = Array.from({ length: KEEP_FAILED + 1 }, (_, i) => scheduled(`r-${i}`, second, 'False'));
    expect(outdated(made).map((b) => b.metadata.name)).toEqual(['r-0']);
    const [first, ...others] = made;
    const ofAnother = { ...first, spec: { ...first?.spec, schedule: 'daily' } } as (typeof made)[number];
    expect(outdated([ofAnother, ...others])).toEqual([]);
  });
  it('keeps the newest, whatever their names', () => {
    const made = Array.from({ length: KEEP_FAILED + 1 }, (_, i) =>
      scheduled(`r-${9 - i}`, `2026-11-0${i + 1}T00:00:00Z`, 'False'),
    );
    expect(outdated(made).map((b) => b.metadata.name)).toEqual(['r-9']);
  });
  it('takes nothing for a success but Ready', () => {
    const ready = (type: string) => (b: ReturnType<typeof scheduled>) => ({
      ...b,
      status: { ...b.status, conditions: b.status?.conditions?.map((c) => ({ ...c, type })) } as typeof b.status,
    });
    expect(outdated(runs(KEEP_FAILED + 1, 'True').map(ready('Stalled'))).map((b) => b.metadata.name)).toEqual([
      'True-00',
    ]);
  });
  it('leaves alone what carries the name of a schedule only, or its time, or is about to go', () => {
    const many = runs(20, 'True');
    const { schedule: _, ...spec } = many[0]?.spec ?? { clusterName: 'orders' };
    expect(outdated(many.map((b) => ({ ...b, spec })))).toEqual([]);
    const metadata = (b: (typeof many)[number]) => ({ ...b.metadata, deletionTimestamp: 'now' });
    expect(outdated(many.map((b) => ({ ...b, metadata: metadata(b) })))).toEqual([]);
  });
  it('leaves alone what a person made, and what is not finished', () => {
    const many = runs(20, 'True');
    for (const b of many) delete b.metadata.annotations;
    expect(outdated(many)).toEqual([]);
    expect(
      outdated(runs(20, 'True').map((b) => ({ ...b, status: { observedGeneration: 1, conditions: [] } }))),
    ).toEqual([]);
  });
});
