// SPDX-License-Identifier: Apache-2.0
// A step that fails names itself and its log, and shows the log's end.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProgress, StepError } from '../testbed/progress.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'progress-'));
});
afterAll(() => rm(folder, { recursive: true }));

const failing = () => Promise.reject(new Error('it ended with 1'));
const progress = createProgress(() => {});
const messageOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof StepError ? error.message : `no StepError: ${String(error)}`),
  );

test('the error names the step, the cause, the log, and its last ten lines', async () => {
  const log = path.join(folder, 'apt.log');
  const lines = Array.from({ length: 30 }, (_, i) => `line ${i + 1}`);
  await writeFile(log, `${lines.join('\n')}\n`);
  const message = await messageOf(progress.step('install things', failing, { log }));
  const end = lines.slice(20).map((line) => `  | ${line}`);
  expect(message.split('\n')).toEqual(['install things: it ended with 1', `  log: ${log}`, ...end]);
});

test('a log that was never written is named all the same', async () => {
  const log = path.join(folder, 'absent.log');
  expect(await messageOf(progress.step('start', failing, { log }))).toBe(`start: it ended with 1\n  log: ${log}`);
});

test('of steps within steps the innermost is named', async () => {
  const outer = progress.step('outer', () => progress.step('inner', failing));
  expect(await messageOf(outer)).toBe('inner: it ended with 1');
});
