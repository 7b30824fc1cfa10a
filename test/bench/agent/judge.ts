// SPDX-License-Identifier: Apache-2.0
// The common judge: a cluster works when every member answers Status and all of them name the same leader.
import { setTimeout as delay } from 'node:timers/promises';
import { MemberClient } from '../../../src/etcd/client.ts';
import type { ClientTls, Endpoint } from '../../../src/etcd/types.ts';
import type { KubeReader } from './kube.ts';
import type { Judgement, JudgeSpec } from './protocol.ts';

/** Between two looks; the precision of the judge. */
const LOOK_MS = 50;
const ASK_MS = 1_000;

/** Resolves at the first moment at which all members agree; rejects after the timeout with what was missing. */
export async function judge(kube: KubeReader, spec: JudgeSpec): Promise<Judgement> {
  const end = performance.now() + spec.timeoutMs;
  const clients = new Map<string, MemberClient>();
  let tls: ClientTls | undefined;
  let missing = '';
  const over = new AbortController();
  try {
    const members = await kube.follow(spec.namespace, spec.name, over.signal);
    while (performance.now() < end) {
      tls ??= await kube.tls(spec.namespace, spec.secret);
      const endpoints = members();
      if (tls === undefined) missing = `no Secret ${spec.secret}`;
      else if (endpoints.length < spec.members) missing = `${endpoints.length} of ${spec.members} pods have addresses`;
      else {
        const problem = await disagreement(endpoints.map((e) => clientOf(clients, e, tls as ClientTls)));
        if (problem === undefined) return { at: Date.now() };
        missing = problem;
      }
      await delay(LOOK_MS);
    }
    throw new Error(`${spec.name} did not work within ${spec.timeoutMs} ms: ${missing}`);
  } finally {
    over.abort();
    for (const client of clients.values()) client.close();
  }
}

/** A pod that was made anew has another address, and gets another client. */
function clientOf(clients: Map<string, MemberClient>, endpoint: Endpoint, tls: ClientTls): MemberClient {
  const known = clients.get(endpoint.name);
  if (known?.endpoint.host === endpoint.host) return known;
  known?.close();
  const made = new MemberClient(endpoint, tls);
  clients.set(endpoint.name, made);
  return made;
}

async function disagreement(clients: readonly MemberClient[]): Promise<string | undefined> {
  const answers = await Promise.allSettled(clients.map((c) => c.status({ timeoutMs: ASK_MS })));
  const leaders = new Set<string | undefined>();
  for (const answer of answers) {
    if (answer.status === 'rejected') return String(answer.reason);
    leaders.add(answer.value.leaderId);
  }
  return leaders.size === 1 && !leaders.has(undefined) ? undefined : `leaders: ${[...leaders].join(', ')}`;
}
