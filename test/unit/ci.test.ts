// SPDX-License-Identifier: Apache-2.0
// What CI reads is the last line and the status of .ci/run: they agree, whatever becomes of `make test`.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const script = path.resolve(import.meta.dirname, '../../.ci/run');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'ci-'));
});

afterAll(() => rm(folder, { recursive: true }));

/** Runs it with this in place of `make`. */
async function ci(make: string): Promise<{ status: number; lines: string[] }> {
  const stub = path.join(folder, 'make');
  await writeFile(stub, `#!/bin/sh\necho "make $*"\n[ "$1" = test ] || exit 0\n${make}\n`);
  await chmod(stub, 0o755);
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
  return new Promise((resolve) => {
    execFile(script, { env }, (error, stdout) =>
      resolve({ status: error === null ? 0 : Number(error.code), lines: stdout.trimEnd().split('\n') }),
    );
  });
}

test.each([
  ['everything passes', 'echo "12 passed, 0 failed"', 0, '12 passed, 0 failed'],
  ['tests fail', 'echo "11 passed, 1 failed"; exit 1', 1, '11 passed, 1 failed'],
  ['it fails, and its line does not say so', 'echo "12 passed, 0 failed"; exit 2', 2, '12 passed, 1 failed'],
  ['tests fail, and its status does not say so', 'echo "11 passed, 1 failed"', 1, '11 passed, 1 failed'],
  [
    'more is printed after the line',
    'echo "11 passed, 1 failed"; echo "make: Error 1"; exit 2',
    2,
    '11 passed, 1 failed',
  ],
  ['it dies before it can count', 'echo building; kill -9 $$', 1, '0 passed, 1 failed'],
])('when %s', async (_, make, status, last) => {
  const result = await ci(make);
  expect(result.lines.at(-1)).toBe(last);
  expect(result.status).toBe(status);
});

test('what a run that died has left is taken down', async () => {
  expect((await ci('exit 1')).lines).toContain('make testbed-down');
  expect((await ci('echo "1 passed, 0 failed"')).lines).not.toContain('make testbed-down');
});
