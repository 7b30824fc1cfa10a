// SPDX-License-Identifier: Apache-2.0
// What the operator costs: memory without clusters and with ten, and processor and requests while ten stand idle.
import { setTimeout as delay } from 'node:timers/promises';
import { type AuditEntry, audit, auditMark } from '../../testbed/audit.ts';
import type { Bench } from '../bench.ts';
import { prepareCluster } from '../clusters.ts';
import { atMost, type Figure } from '../figures.ts';
import { findOperator, type OperatorProcess, readProcess } from '../process.ts';
import { Timeline } from '../timeline.ts';

const CLUSTERS = 10;
const MEMORY_MB = 100;

export interface IdleOptions {
  /** How long nothing is done to the ten clusters. */
  idleMs: number;
  /** Before memory without clusters and before the idle time are measured. */
  settleMs: number;
}

export async function idle(bench: Bench, o: IdleOptions): Promise<{ figures: Figure[]; details: object }> {
  const { progress } = bench;
  await bench.scaleOperator(0);
  await bench.scaleOperator(1);
  const operator = await findOperator(bench);
  await progress.step('let the operator settle', () => delay(o.settleMs));
  const empty = await memory(operator, 10_000);
  const emptyFacts = await readProcess(operator);
  const prepared = Array.from({ length: CLUSTERS }, (_, i) => prepareCluster(bench, `idle-${i}`, 3));
  const timeline = new Timeline(bench.kube, bench.namespace);
  try {
    await progress.step('make ten clusters', async () => {
      await Promise.all(prepared.map((p) => p.apply()));
      await Promise.all(prepared.map((p) => timeline.available(p.name, 300_000)));
    });
    timeline.close();
    await progress.step('let the clusters settle', () => delay(o.settleMs));
    const mark = await auditMark();
    const before = await readProcess(operator);
    const full = await progress.step(`leave them alone for ${o.idleMs / 1000} s`, () => memory(operator, o.idleMs));
    const after = await readProcess(operator);
    const requests = await requestsOf(bench, mark);
    const core = ((after.cpuSeconds - before.cpuSeconds) / ((after.at - before.at) / 1000)) * 100;
    const seconds = `${o.idleMs / 1000} s`;
    return {
      figures: [
        atMost(
          {
            name: `ten idle clusters, ${seconds}: API writes besides the Lease`,
            unit: 'requests',
            samples: [requests.writes],
          },
          0,
        ),
        atMost(
          {
            name: `ten idle clusters, ${seconds}: reads besides watches and Secrets`,
            unit: 'requests',
            samples: [requests.reads],
          },
          0,
        ),
        atMost(
          {
            name: `ten idle clusters, ${seconds}: reads of any one Secret`,
            unit: 'requests',
            samples: [requests.perSecret],
          },
          1,
        ),
        atMost({ name: `ten idle clusters, ${seconds}: of one core`, unit: '%', samples: [core] }, 1),
        atMost({ name: 'resident memory, no cluster', unit: 'MB', samples: empty }, MEMORY_MB),
        atMost({ name: 'resident memory, ten clusters', unit: 'MB', samples: full }, MEMORY_MB),
      ],
      details: { requests: requests.seen, empty: emptyFacts, before, after },
    };
  } finally {
    timeline.close();
    await Promise.all(prepared.map((p) => p.remove()));
    await bench.clear();
  }
}

/** Resident megabytes, sampled ten times. */
async function memory(operator: OperatorProcess, overMs: number): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < 10; i += 1) {
    await delay(overMs / 10);
    samples.push((await readProcess(operator)).residentMb);
  }
  return samples;
}

interface Requests {
  writes: number;
  reads: number;
  /** Of the Secret that was read most. */
  perSecret: number;
  /** How often each kind of request was made. */
  seen: Record<string, number>;
}

const READS = ['get', 'list'];

async function requestsOf(bench: Bench, since: number): Promise<Requests> {
  const user = new RegExp(`^system:serviceaccount:${bench.operatorNamespace}:`);
  const entries = (await audit({ since, user })).filter((e) => e.resource !== 'leases' && e.verb !== 'watch');
  const secrets = entries.filter((e) => e.resource === 'secrets' && e.verb === 'get');
  const count = (list: readonly AuditEntry[], key: (e: AuditEntry) => string): Record<string, number> =>
    list.reduce<Record<string, number>>((all, e) => ({ ...all, [key(e)]: (all[key(e)] ?? 0) + 1 }), {});
  return {
    writes: entries.filter((e) => !READS.includes(e.verb)).length,
    reads: entries.filter((e) => READS.includes(e.verb)).length - secrets.length,
    perSecret: Math.max(0, ...Object.values(count(secrets, (e) => e.name))),
    seen: count(entries, (e) => `${e.verb} ${e.resource}`),
  };
}
