// SPDX-License-Identifier: Apache-2.0
// Prints what is being done, how far it is and how long it has taken, and names the step that failed.
import { existsSync, readFileSync } from 'node:fs';

/** The end of a log, for a reader who cannot open it any more. */
function tail(log: string): string {
  if (!existsSync(log)) return '';
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-10);
  return lines.map((line) => `\n  | ${line.slice(0, 300)}`).join('');
}

/** An error that says which step failed and, if there is one, which file holds its log. */
export class StepError extends Error {
  readonly step: string;
  readonly log: string | undefined;
  constructor(step: string, cause: unknown, log?: string) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${step}: ${reason}${log === undefined ? '' : `\n  log: ${log}${tail(log)}`}`, { cause });
    this.name = 'StepError';
    this.step = step;
    this.log = log;
  }
}

export interface Progress {
  /** Runs one named step and prints how long it took; a failure comes out as a StepError. */
  step<T>(name: string, work: () => Promise<T>, o?: { log?: string }): Promise<T>;
  /** One line about a step that is under way. */
  note(line: string): void;
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** A printer of progress; every line starts with the time since the start. Steps faster than 50 ms are silent. */
export function createProgress(write: (line: string) => void): Progress {
  const start = performance.now();
  const line = (text: string) => write(`[${seconds(start).padStart(7)}] ${text}`);
  return {
    note: line,
    async step(name, work, o) {
      const began = performance.now();
      // A long step repeats its name, so that nobody takes it for dead.
      const beat = setInterval(() => line(`${name} … ${seconds(began)}`), 10_000);
      try {
        const result = await work();
        if (performance.now() - began > 50) line(`${name}: ${seconds(began)}`);
        return result;
      } catch (error) {
        throw error instanceof StepError ? error : new StepError(name, error, o?.log);
      } finally {
        clearInterval(beat);
      }
    },
  };
}

/** Says nothing: for tests, which have a reporter of their own. */
export const silent: Progress = createProgress(() => {});
