// SPDX-License-Identifier: Apache-2.0
// The program of a backup Job: reads its file, makes one backup, says how it went in the termination message.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClientTls } from '../../etcd/types.ts';
import { createLogger, type Logger } from '../../telemetry/log.ts';
import { BackupError } from '../failures.ts';
import { JOB_DIR, JOB_FILE, type JobConfig, jobConfigSchema } from '../jobconfig.ts';
import { encodeResult, type JobResult, printable } from '../result.ts';
import { EgressGuard } from '../stores/egress.ts';
import { openS3Store } from '../stores/s3.ts';
import { backUp } from './backup.ts';
import { Progress } from './progress.ts';
import { Source } from './source.ts';

export interface JobOptions {
  readonly configFile?: string;
  readonly terminationFile?: string;
  /** Addresses besides those of the configuration that the store must not resolve to, such as the API server's. */
  readonly refuse?: readonly string[];
}

/** Resolves to the exit code: 0 for a complete backup. Never rejects. */
export async function runBackupJob(o: JobOptions = {}): Promise<number> {
  const log = createLogger('info');
  const stop = new AbortController();
  const interrupted = (): void => stop.abort(new BackupError('Interrupted', 'the pod was told to stop'));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, interrupted);
  const result = await attempt(o, log, stop);
  await writeFile(o.terminationFile ?? '/dev/termination-log', encodeResult(result)).catch((error: unknown) => {
    log.error({ error: String(error) }, 'the termination message could not be written');
  });
  const peak = Math.round(process.resourceUsage().maxRSS / 1024);
  if (result.ok)
    log.info({ object: result.key, size: result.size, compressedSize: result.compressedSize, peakMiB: peak }, 'done');
  else log.error({ reason: result.reason, peakMiB: peak }, printable(result.message));
  return result.ok ? 0 : 1;
}

async function attempt(o: JobOptions, log: Logger, stop: AbortController): Promise<JobResult> {
  const progress = new Progress(log, (stalled) => stop.abort(stalled));
  const open: { close(): void }[] = [];
  try {
    const config = await readConfig(o.configFile ?? join(JOB_DIR, JOB_FILE));
    const guard = new EgressGuard({
      allow: config.egress.allow,
      refuse: [...config.egress.refuse, ...(o.refuse ?? [])],
    });
    const store = await openS3Store(config.store.s3, guard, (bytes) => {
      progress.sent += bytes;
    });
    open.push(store);
    const source = new Source(config.members, await readTls(config.tlsDir));
    open.push(source);
    return await backUp({ config, source, store, progress, log, signal: stop.signal });
  } catch (error) {
    return failure(error, log);
  } finally {
    progress.stop();
    for (const each of open) close(each, log);
  }
}

/** The backup is decided by now: an error of a connection that is being dropped changes nothing about it. */
function close(o: { close(): void }, log: Logger): void {
  try {
    o.close();
  } catch (error) {
    log.debug({ error: String(error) }, 'closing');
  }
}

function failure(error: unknown, log: Logger): JobResult {
  if (error instanceof BackupError) return { ok: false, reason: error.reason, message: error.message };
  // The frames alone: a message may repeat what a server sent.
  const frames =
    error instanceof Error ? (error.stack ?? '').split('\n').filter((l) => l.trimStart().startsWith('at ')) : [];
  log.error({ frames }, 'this should not have happened');
  return {
    ok: false,
    reason: 'Unexpected',
    message: error instanceof Error ? `${error.name} in the backup program` : 'unknown error',
  };
}

async function readConfig(file: string): Promise<JobConfig> {
  try {
    return jobConfigSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new BackupError('InvalidConfiguration', 'the configuration of the Job is not readable', { cause });
  }
}

async function readTls(directory: string): Promise<ClientTls> {
  try {
    const [ca, cert, key] = await Promise.all(
      ['ca.crt', 'tls.crt', 'tls.key'].map((f) => readFile(join(directory, f), 'utf8')),
    );
    return { ca: ca as string, cert: cert as string, key: key as string };
  } catch (cause) {
    throw new BackupError('InvalidConfiguration', "the cluster's client certificate is not readable", { cause });
  }
}
