// SPDX-License-Identifier: Apache-2.0
// Stops, kills, pauses and starts whole nodes.
import { findContainer } from '../docker.ts';
import { kubectlJson } from '../kubectl.ts';
import { until } from '../run.ts';
import { planOf } from './network.ts';

export interface TestbedNode {
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  /** An orderly shutdown: containers get SIGTERM and five seconds. */
  stop(): Promise<void>;
  /** A power cut. Its volumes can be mounted elsewhere at once. */
  kill(): Promise<void>;
  /** Starts it, and waits until Kubernetes has heard of it again. Faults of its network are gone. */
  start(): Promise<void>;
  /** Freezes every process of the node, its pods included. */
  pause(): Promise<void>;
  unpause(): Promise<void>;
  /** kill, then start. */
  restart(): Promise<void>;
  waitUntilReady(o?: { since?: Date; timeoutMs?: number }): Promise<void>;
}

async function container(name: string) {
  const found = await findContainer(name);
  if (found === undefined) throw new Error(`${name} does not exist; bring the testbed up first`);
  return found;
}

interface Lease {
  spec: { renewTime?: string };
}
interface NodeObject {
  status: { conditions: { type: string; status: string }[] };
}

/** Waits until a node is Ready by a kubelet that has spoken after `since`: what is written down may be old. */
export async function waitUntilReady(name: string, o: { since?: Date; timeoutMs?: number } = {}): Promise<void> {
  const since = o.since?.getTime() ?? 0;
  await until(
    `node ${name} ready`,
    async () => {
      const lease = await kubectlJson<Lease>('-n', 'kube-node-lease', 'get', 'lease', name);
      if (Date.parse(lease.spec.renewTime ?? '') < since) return undefined;
      const { status } = await kubectlJson<NodeObject>('get', 'node', name);
      return status.conditions.some((c) => c.type === 'Ready' && c.status === 'True') ? true : undefined;
    },
    { timeoutMs: o.timeoutMs ?? 60_000 },
  );
}

export function testbedNode(name: string): TestbedNode {
  const { address, zone } = planOf(name);
  const stopped = async () => !(await container(name)).info.State.Running;
  const node: TestbedNode = {
    name,
    address,
    zone,
    stop: async () => {
      if (!(await stopped())) await (await container(name)).container.stop({ t: 10 });
    },
    kill: async () => {
      const { container: box, info } = await container(name);
      if (!info.State.Running) return;
      await box.kill({ signal: 'SIGKILL' });
      await until(`the end of ${name}`, async () => ((await stopped()) ? true : undefined));
    },
    start: async () => {
      const since = new Date();
      const { container: box, info } = await container(name);
      if (info.State.Running) return;
      await box.start();
      await waitUntilReady(name, { since });
    },
    pause: async () => (await container(name)).container.pause(),
    unpause: async () => (await container(name)).container.unpause(),
    restart: async () => {
      await node.kill();
      await node.start();
    },
    waitUntilReady: (o) => waitUntilReady(name, o),
  };
  return node;
}
