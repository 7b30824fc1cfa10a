// SPDX-License-Identifier: Apache-2.0
// Cuts and slows the network between pods and around nodes, in the packet filter and queues of the nodes.
import { randomInt } from 'node:crypto';
import { ADDRESSES, NODES, type NodePlan } from '../config.ts';
import { shell } from '../docker.ts';
import { inPodNetwork, type Located, locate, type PodRef } from './pods.ts';

/** A fault that lasts until it is healed; `await using` heals it at the end of the block. */
export interface Fault extends AsyncDisposable {
  heal(): Promise<void>;
}

export const faultOf = (heal: () => Promise<void>): Fault => ({ heal, [Symbol.asyncDispose]: heal });

const PODS = 'TESTBED-PODS';
const NODE = 'TESTBED-NODE';

export const planOf = (name: string): NodePlan => {
  const plan = NODES.find((node) => node.name === name);
  if (plan === undefined) throw new Error(`no node ${name}; there are ${NODES.map((node) => node.name).join(', ')}`);
  return plan;
};

async function rulesOn(nodes: readonly string[], rules: readonly string[]): Promise<Fault> {
  const all = (verb: string) => rules.map((rule) => `iptables -t mangle ${verb} ${rule}`).join(' && ');
  const unique = [...new Set(nodes)];
  await Promise.all(unique.map((node) => shell(node, all('-A'))));
  return faultOf(async () => {
    // A node that was restarted meanwhile has forgotten its rules, and one that is down has none.
    await Promise.all(unique.map((node) => shell(node, all('-D'), { allowFailure: true }).catch(() => {})));
  });
}

const drop = (from: Located, to: Located): string => `${PODS} -s ${from.address} -d ${to.address} -j DROP`;

/**
 * Drops everything between two pods, in one direction or both, also on connections that exist. It holds for the
 * addresses they have now: a pod made anew is not cut.
 */
export async function cutPods(a: PodRef, b: PodRef, o: { oneWay?: boolean } = {}): Promise<Fault> {
  const [from, to] = await Promise.all([locate(a), locate(b)]);
  const rules = o.oneWay === true ? [drop(from, to)] : [drop(from, to), drop(to, from)];
  return rulesOn([from.node, to.node], rules);
}

/**
 * Cuts a node off: from everything, or only from some of the others (`control-plane`, `node2`, …) and their pods.
 * Its pods go on running, and see each other.
 */
export async function partition(node: string, o: { from?: readonly string[] } = {}): Promise<Fault> {
  planOf(node);
  if (o.from === undefined) return rulesOn([node], [`${NODE} -i eth0 -j DROP`, `${NODE} -o eth0 -j DROP`]);
  const ranges = o.from.flatMap((other) =>
    other === 'control-plane' ? [ADDRESSES.controlPlane] : [planOf(other).address, planOf(other).podCidr],
  );
  return rulesOn(
    [node],
    ranges.flatMap((range) => [`${NODE} -i eth0 -s ${range} -j DROP`, `${NODE} -o eth0 -d ${range} -j DROP`]),
  );
}

/** The node's end of a pod's cable. */
async function cableOf(pod: PodRef, where: Located): Promise<string> {
  const link = await inPodNetwork(pod, 'ip -o link show dev eth0');
  const index = /eth0@if(\d+)/.exec(link)?.[1];
  const name = (await shell(where.node, `ip -o link | sed -n 's/^${index}: \\([^@:]*\\).*/\\1/p'`)).stdout.trim();
  if (name === '') throw new Error(`no cable of pod ${pod.namespace}/${pod.name}`);
  return name;
}

async function slowInto(pod: PodRef, from: Located, rate: string): Promise<Fault> {
  const where = await locate(pod);
  const cable = await cableOf(pod, where);
  const id = randomInt(0x100, 0xf000); // of the queue and its filter, both 16 bits
  const queue = `1:${id.toString(16)}`;
  await shell(
    where.node,
    `tc qdisc add dev ${cable} root handle 1: htb 2>/dev/null
     tc class add dev ${cable} parent 1: classid ${queue} htb rate ${rate} burst 16k quantum 1514 &&
     tc filter add dev ${cable} parent 1: prio ${id} protocol ip u32 match ip src ${from.address}/32 flowid ${queue}`,
  );
  return faultOf(async () => {
    const undo = `tc filter del dev ${cable} parent 1: prio ${id}; tc class del dev ${cable} classid ${queue}`;
    await shell(where.node, undo, { allowFailure: true }).catch(() => {});
  });
}

/** Limits what two pods can send each other, for example to `256kbit`; the surplus waits in a queue. */
export async function slowPods(a: PodRef, b: PodRef, rate: string): Promise<Fault> {
  const [whereA, whereB] = await Promise.all([locate(a), locate(b)]);
  const faults = [await slowInto(a, whereB, rate), await slowInto(b, whereA, rate)];
  return faultOf(async () => {
    await Promise.all(faults.map((fault) => fault.heal()));
  });
}

/** Heals all cuts of a node, whoever made them. */
export async function healNetwork(node: string): Promise<void> {
  await shell(
    node,
    `iptables -t mangle -F ${PODS}; iptables -t mangle -F ${NODE}
     for cable in $(tc qdisc show | sed -n 's/^qdisc htb 1: dev \\([^ ]*\\) root.*/\\1/p'); do
       tc qdisc del dev "$cable" root
     done`,
    { allowFailure: true },
  );
}
