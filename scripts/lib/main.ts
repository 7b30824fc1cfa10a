// SPDX-License-Identifier: Apache-2.0
// The frame of every script that people start: progress while it works, one plain sentence when it fails.
import { createProgress, type Progress } from '../../test/testbed/progress.ts';

/** `advice` follows the error. The stack is shown when DEBUG is set. */
export async function runScript(work: (progress: Progress) => Promise<void>, advice = ''): Promise<void> {
  try {
    await work(createProgress((line) => process.stdout.write(`${line}\n`)));
  } catch (error) {
    const stack = process.env['DEBUG'] === undefined ? undefined : (error as Error).stack;
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`\nfailed: ${stack ?? message}\n${advice}`);
    process.exitCode = 1;
  }
}
