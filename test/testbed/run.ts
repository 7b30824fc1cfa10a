// SPDX-License-Identifier: Apache-2.0
// Runs a program of the machine with a deadline, and waits for conditions without fixed sleeps.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string | undefined>;
  input?: string;
  /** Output goes to this file (appended) instead of being returned. */
  log?: string;
  /** Milliseconds, default 60 000; the program is killed then. */
  timeoutMs?: number;
  /** Do not throw on a status other than 0. */
  allowFailure?: boolean;
}

export interface RunResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. Throws with its last lines unless it exits with 0. */
export async function run(command: string, args: readonly string[], o: RunOptions = {}): Promise<RunResult> {
  const fd = o.log === undefined ? undefined : openSync(o.log, 'a');
  const signal = AbortSignal.timeout(o.timeoutMs ?? 60_000);
  try {
    const child = spawn(command, [...args], {
      ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
      env: { ...process.env, ...o.env },
      stdio: [o.input === undefined ? 'ignore' : 'pipe', fd ?? 'pipe', fd ?? 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin?.on('error', () => {}); // a program may end before it has read everything
    child.stdin?.end(o.input);
    const status = await new Promise<number>((resolve, reject) => {
      child.on('error', (error) => reject(signal.aborted ? new Error(`took longer than ${o.timeoutMs} ms`) : error));
      child.on('close', (code, sig) => resolve(code ?? (sig === null ? 1 : 128)));
    });
    if (status !== 0 && o.allowFailure !== true) {
      const tail = (stderr || stdout).trim().split('\n').slice(-12).join('\n');
      throw new Error(`${command} ${args.join(' ')} ended with ${status}${tail === '' ? '' : `: ${tail}`}`);
    }
    return { status, stdout, stderr };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** A failure that no waiting mends: `until` gives up at once. */
export class HopelessError extends Error {}

/**
 * Asks again and again until the answer is not undefined; rethrows the last failure when the time is over.
 * Times are milliseconds: every 100, for at most 60 000 unless said otherwise.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  o: { timeoutMs?: number; intervalMs?: number } = {},
): Promise<T> {
  const end = performance.now() + (o.timeoutMs ?? 60_000);
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      last = undefined;
    } catch (error) {
      if (error instanceof HopelessError) throw error;
      last = error;
    }
    if (performance.now() > end) {
      const reason = last instanceof Error ? `: ${last.message}` : '';
      throw new Error(`${what} did not happen within ${(o.timeoutMs ?? 60_000) / 1000} s${reason}`, { cause: last });
    }
    await delay(o.intervalMs ?? 100);
  }
}
