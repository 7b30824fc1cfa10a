// SPDX-License-Identifier: Apache-2.0
// Finds a running Docker engine, or installs and starts one of our own that lives in the state folder.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { ADDRESSES, FILES, STATE } from './config.ts';
import { installPackages, missingPackages } from './packages.ts';
import type { Progress } from './progress.ts';
import { run, until } from './run.ts';

export interface Engine {
  /** As in DOCKER_HOST. */
  readonly host: string;
  /** Started by the testbed, and ended by its teardown. */
  readonly own: boolean;
}

const SYSTEM_SOCKET = '/var/run/docker.sock';
const socket = path.join(FILES.engine, 'docker.sock');
const pidFile = path.join(FILES.engine, 'docker.pid');
const dataRoot = path.join(FILES.engine, 'data');
const ENGINE_LOG = path.join(FILES.engine, 'dockerd.log');

// Sockets below the exec root may have 107 bytes at most, and the engine adds about 45 of its own.
const execRoot =
  FILES.engine.length < 50
    ? path.join(FILES.engine, 'run')
    : path.join('/run', `quorate-testbed-${createHash('sha256').update(STATE).digest('hex').slice(0, 8)}`);

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get({ socketPath, path: '/_ping', timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

/** Process ids whose command line has all the words: only what runs on our own folders is ever ended. */
async function processesWith(...words: string[]): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const line = (await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    if (words.every((word) => line.includes(word)) && Number(entry) !== process.pid) found.push(Number(entry));
  }
  return found;
}

async function endProcesses(pids: readonly number[], signal: NodeJS.Signals): Promise<void> {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended by itself.
    }
  }
  await until(
    `the end of processes ${pids.join(', ')}`,
    async () => (pids.every((pid) => !existsSync(`/proc/${pid}`)) ? true : undefined),
    { timeoutMs: 30_000, intervalMs: 50 },
  );
}

const engineProcesses = () => processesWith('dockerd', `--data-root=${dataRoot}`);
const containerdProcesses = () => processesWith('containerd', `${execRoot}/containerd/containerd.toml`);
const shimProcesses = () => processesWith('containerd-shim', execRoot);

async function startOwn(): Promise<void> {
  // What a killed engine left: a process that no longer answers, its containerd, and files that name them.
  await endProcesses(await engineProcesses(), 'SIGKILL');
  await endProcesses(await containerdProcesses(), 'SIGKILL');
  await rm(pidFile, { force: true });
  await rm(socket, { force: true });
  await rm(path.join(execRoot, 'containerd', 'containerd.pid'), { force: true });
  await mkdir(dataRoot, { recursive: true });
  const log = openSync(ENGINE_LOG, 'a');
  const args = [
    `--data-root=${dataRoot}`,
    `--exec-root=${execRoot}`,
    `--pidfile=${pidFile}`,
    `--host=unix://${socket}`,
    `--bip=${ADDRESSES.engineBridge}`,
    `--default-address-pool=${ADDRESSES.enginePool}`,
    // The nodes outlive a killed engine.
    '--live-restore',
  ];
  // A session of its own: it stays when the shell that asked for it goes.
  const child = spawn('dockerd', args, { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  let ended: string | undefined;
  child.on('error', (error) => {
    ended = error.message;
  });
  child.on('exit', (code) => {
    ended = `dockerd ended with ${code}`;
  });
  await until(
    'an answer of the engine',
    async () => {
      if (ended !== undefined) return true;
      return (await answers(socket)) ? true : undefined;
    },
    { timeoutMs: 60_000 },
  );
  if (ended !== undefined) throw new Error(ended);
  child.removeAllListeners();
  child.unref();
}

async function systemEngine(): Promise<string | undefined> {
  const named = process.env.DOCKER_HOST;
  if (named !== undefined && !named.startsWith('unix://')) return named;
  const candidate = named?.slice('unix://'.length) ?? SYSTEM_SOCKET;
  return candidate !== socket && (await answers(candidate)) ? `unix://${candidate}` : undefined;
}

/** Points testcontainers, which reads the environment, to the engine. Ryuk is an image that is not here. */
function adopt(engine: Engine): Engine {
  process.env.DOCKER_HOST = engine.host;
  process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
  return engine;
}

/** The engine of the testbed if it runs, without starting anything. */
export async function findEngine(): Promise<Engine | undefined> {
  if (existsSync(dataRoot)) return (await answers(socket)) ? adopt({ host: `unix://${socket}`, own: true }) : undefined;
  const host = await systemEngine();
  return host === undefined ? undefined : adopt({ host, own: false });
}

/** Makes sure that an engine runs: ours of last time, else the machine's, else a new one of ours. */
export async function ensureEngine(progress: Progress): Promise<Engine> {
  const running = await findEngine();
  const own = running?.own ?? true;
  await mkdir(FILES.engine, { recursive: true });
  const packages = missingPackages({ engine: own });
  if (packages.length > 0) {
    const log = path.join(FILES.engine, 'apt.log');
    await progress.step(`install ${packages.join(', ')}`, () => installPackages(packages, log), { log });
  }
  if (running === undefined) await progress.step('start docker engine', startOwn, { log: ENGINE_LOG });
  const engine = running ?? adopt({ host: `unix://${socket}`, own: true });
  await writeFile(FILES.dockerEnv, `DOCKER_HOST=${engine.host}\nTESTCONTAINERS_RYUK_DISABLED=true\n`);
  return engine;
}

async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');
  for (const target of mounts.filter((mount) => mount.startsWith(`${folder}/`)).toReversed()) {
    await run('umount', ['-l', target], { allowFailure: true });
  }
}

const ENGINE_RULE = /DOCKER|docker0/;

/** Rules and chains of an engine in the machine's packet filter, as `iptables -S` prints them after the table. */
export async function engineRules(): Promise<string[]> {
  const found: string[] = [];
  for (const table of ['filter', 'nat']) {
    const { stdout } = await run('iptables', ['-t', table, '-S'], { allowFailure: true });
    const rules = stdout.split('\n').filter((rule) => /^-[AN]/.test(rule) && ENGINE_RULE.test(rule));
    found.push(...rules.map((rule) => `${table} ${rule}`));
  }
  return found;
}

/** An engine leaves its chains when it ends; one can only go when no rule names it. */
async function removeRules(): Promise<void> {
  const rules = (await engineRules()).map((rule) => rule.split(' '));
  for (const [verb, removal] of [
    ['-A', '-D'],
    ['-N', '-X'],
  ] as const) {
    for (const [table = '', , ...words] of rules.filter((rule) => rule[1] === verb)) {
      await run('iptables', ['-t', table, removal, ...words], { allowFailure: true });
    }
  }
}

/** Processes of our engine and of what it runs. */
export const ownProcesses = async (): Promise<number[]> =>
  (await Promise.all([engineProcesses(), containerdProcesses(), shimProcesses()])).flat();

/** Ends our own engine and removes what it made on the machine; a foreign engine is left alone. */
export async function stopOwnEngine(): Promise<void> {
  if (!existsSync(dataRoot)) return;
  await endProcesses(await engineProcesses(), 'SIGTERM');
  await endProcesses(await containerdProcesses(), 'SIGKILL');
  await endProcesses(await shimProcesses(), 'SIGKILL');
  await unmountBelow(FILES.engine);
  await unmountBelow(execRoot);
  if (!(await answers(SYSTEM_SOCKET))) {
    await run('ip', ['link', 'delete', 'docker0'], { allowFailure: true });
    await removeRules();
  }
  await rm(execRoot, { recursive: true, force: true });
  await rm(FILES.engine, { recursive: true, force: true });
}
