// SPDX-License-Identifier: Apache-2.0
// Prepares the files of a backup Job and runs its program in a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobConfig } from '../../../src/backup/jobconfig.ts';
import type { KeyParts } from '../../../src/backup/keys.ts';
import { JOB_COMMAND, JOB_ENV } from '../../../src/backup/render/job.ts';
import { decodeResult, type JobResult } from '../../../src/backup/result.ts';
import type { TestEtcds, TestStore } from './processes.ts';

export interface RunningJob {
  readonly child: ChildProcess;
  /** Resolves to the log so far when it contains the text. */
  said(text: string): Promise<string>;
  readonly done: Promise<JobOutcome>;
}

export interface JobOutcome {
  readonly code: number | null;
  readonly result: JobResult | undefined;
  readonly log: string;
  /** Largest resident size, in MiB; from the job's own last line. */
  readonly peakMiB: number;
  readonly milliseconds: number;
}

export interface JobSetup {
  readonly dir: string;
  readonly etcds: TestEtcds;
  readonly store: TestStore;
  readonly bucket: string;
  readonly change?: (config: JobConfig) => JobConfig;
  readonly secretAccessKey?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** As in its pod. */
const NODE_FLAGS = JOB_COMMAND.slice(1, -1);

const CREATED = '2026-11-23T06:31:45Z';
const CLUSTER_UID = '6b1f2c34-0d5e-4a6b-9c7d-8e9f0a1b2c3d';

export function jobConfig(o: JobSetup): JobConfig {
  const config: JobConfig = {
    version: 1,
    backup: { namespace: 'shop', name: 'orders-now', uid: randomUUID(), created: CREATED },
    cluster: { name: 'orders', uid: CLUSTER_UID },
    attempt: 1,
    members: o.etcds.members.map((m) => ({
      name: m.name,
      host: '127.0.0.1',
      serverName: 'localhost',
      clientPort: m.clientPort,
    })),
    tlsDir: o.etcds.tlsDir,
    store: {
      s3: {
        bucket: o.bucket,
        prefix: 'prod',
        endpoint: o.store.endpoint,
        forcePathStyle: true,
        credentialsDir: join(o.dir, 'credentials'),
      },
    },
    egress: { allow: ['127.0.0.0/8'], refuse: [] },
  };
  return o.change?.(config) ?? config;
}

export const partsOf = (c: JobConfig): KeyParts => ({
  prefix: c.store.s3.prefix,
  namespace: c.backup.namespace,
  cluster: c.cluster.name,
  clusterUid: c.cluster.uid,
  backupUid: c.backup.uid,
  created: c.backup.created,
});

export async function startJob(o: JobSetup, config = jobConfig(o)): Promise<RunningJob> {
  const own = join(o.dir, `job-${randomUUID()}`);
  await mkdir(own, { recursive: true });
  await mkdir(config.store.s3.credentialsDir, { recursive: true });
  await writeFile(join(config.store.s3.credentialsDir, 'accessKeyId'), o.store.accessKeyId);
  await writeFile(
    join(config.store.s3.credentialsDir, 'secretAccessKey'),
    `${o.secretAccessKey ?? o.store.secretAccessKey}\n`,
  );
  const [configFile, terminationFile] = [join(own, 'job.json'), join(own, 'termination')];
  await writeFile(configFile, JSON.stringify(config));
  const started = performance.now();
  const program = join(import.meta.dirname, 'program.ts');
  const child = spawn(process.execPath, [...NODE_FLAGS, program, configFile, terminationFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...JOB_ENV, ...o.env },
  });
  let log = '';
  const waiting: { text: string; resolve: () => void }[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      for (const w of waiting) if (log.includes(w.text)) w.resolve();
    });
  }
  const done = new Promise<JobOutcome>((resolve) => {
    child.once('close', (code) => {
      const milliseconds = performance.now() - started;
      const peakMiB = Number(/"peakMiB":(\d+)/.exec(log)?.[1] ?? Number.NaN);
      void readFile(terminationFile, 'utf8')
        .catch(() => undefined)
        .then((text) => resolve({ code, result: decodeResult(text), log, peakMiB, milliseconds }));
    });
  });
  const said = (text: string): Promise<string> =>
    Promise.race([
      new Promise<string>((resolve) => {
        if (log.includes(text)) resolve(log);
        else waiting.push({ text, resolve: () => resolve(log) });
      }),
      done.then(({ log: all }) => {
        if (!all.includes(text)) throw new Error(`the job ended without saying "${text}": ${all}`);
        return all;
      }),
    ]);
  return { child, said, done };
}

export const runJob = async (o: JobSetup, config?: JobConfig): Promise<JobOutcome> => (await startJob(o, config)).done;
