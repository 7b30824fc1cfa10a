// SPDX-License-Identifier: Apache-2.0
// What the kernel says of the operator's process, read in its node.
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../e2e/harness/until.ts';
import { shell } from '../testbed/docker.ts';
import type { Bench } from './bench.ts';

export interface ProcessFacts {
  /** Processor time since the start, all threads, in seconds. */
  cpuSeconds: number;
  /** VmRSS and VmHWM in megabytes (10^6 bytes). */
  residentMb: number;
  peakMb: number;
  /** RssAnon: what the process itself allocated; the rest of VmRSS is mapped from the image's files. */
  allocatedMb: number;
  /** Milliseconds since the epoch, precise to 20 ms: when the kernel made the process. */
  startedAt: number;
  /** When this was read. */
  at: number;
}

/** Ticks of /proc/<pid>/stat per second: the same on every Linux that Node runs on. */
const TICKS = 100;

/** Where the process is; found once for each pod, so that sampling costs little. */
export interface OperatorProcess {
  node: string;
  pid: number;
}

export async function findOperator(bench: Bench): Promise<OperatorProcess> {
  const { metadata, spec, status } = await bench.operatorPod();
  const container = status?.containerStatuses?.[0]?.containerID?.split('//')[1];
  const node = spec?.nodeName;
  if (container === undefined || node === undefined) throw new Error(`${metadata.name} has no running container`);
  const script = `for p in /proc/[0-9]*; do grep -q ${container} $p/cgroup 2>/dev/null && echo \${p#/proc/}; done; true`;
  const [pid] = (await shell(node, script)).stdout.trim().split('\n').map(Number);
  if (pid === undefined || Number.isNaN(pid)) throw new Error(`the process of ${metadata.name} was not found`);
  return { node, pid };
}

export async function readProcess({ node, pid }: OperatorProcess): Promise<ProcessFacts> {
  const script = `date +%s%3N; cat /proc/uptime /proc/${pid}/stat; grep -E '^(VmRSS|VmHWM|RssAnon)' /proc/${pid}/status`;
  const [now = '', uptime = '', stat = '', ...memory] = (await shell(node, script)).stdout.trim().split('\n');
  // The program's name may hold spaces; the fields after it are counted from 3.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const field = (number: number): number => fields[number - 3] ?? Number.NaN;
  const megabytes = (name: string): number =>
    (Number(/(\d+) kB/.exec(memory.find((line) => line.startsWith(name)) ?? '')?.[1]) * 1024) / 1e6;
  const at = Number(now);
  return {
    at,
    cpuSeconds: (field(14) + field(15)) / TICKS,
    startedAt: at - (Number(uptime.split(' ')[0]) - field(22) / TICKS) * 1000,
    residentMb: megabytes('VmRSS'),
    peakMb: megabytes('VmHWM'),
    allocatedMb: megabytes('RssAnon'),
  };
}

/** The operator makes spare keys when nothing has happened for three seconds; it is at rest when that is over as well. */
const REST_SECONDS = 4;
const REST_SHARE = 0.05;

/** Waits until the operator has had nothing to do for a while, so that what is measured next has the processors for itself. */
export async function operatorRests(operator: OperatorProcess): Promise<void> {
  let before = await readProcess(operator);
  let quiet = 0;
  await until('the operator rests', {
    within: 60_000,
    read: () => delay(1_000).then(() => readProcess(operator)),
    holds: (now) => {
      const share = (now.cpuSeconds - before.cpuSeconds) / ((now.at - before.at) / 1000);
      before = now;
      quiet = share < REST_SHARE ? quiet + 1 : 0;
      return quiet >= REST_SECONDS || `${(share * 100).toFixed(0)} % of a core`;
    },
  });
}
