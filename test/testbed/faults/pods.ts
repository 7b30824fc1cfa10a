// SPDX-License-Identifier: Apache-2.0
// Finds where a pod and its processes really are, and sends its processes signals from outside.
import { exec, shell } from '../docker.ts';
import { kubectlJson } from '../kubectl.ts';
import { until } from '../run.ts';

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
}

/** A pod as it is right now; a pod made anew has another uid and another address. */
export interface Located {
  readonly uid: string;
  readonly node: string;
  readonly address: string;
  /** Container name → id in containerd; only containers that have been started. */
  readonly containers: Readonly<Record<string, string>>;
}

interface Pod {
  metadata: { uid: string };
  spec: { nodeName?: string };
  status?: { podIP?: string; containerStatuses?: { name: string; containerID?: string; restartCount: number }[] };
}

/** @throws if the pod has no node or no address yet */
export async function locate(pod: PodRef): Promise<Located> {
  const { metadata, spec, status } = await kubectlJson<Pod>('-n', pod.namespace, 'get', 'pod', pod.name);
  if (spec.nodeName === undefined || status?.podIP === undefined)
    throw new Error(`pod ${pod.namespace}/${pod.name} runs nowhere yet`);
  const started = (status.containerStatuses ?? []).flatMap(({ name, containerID }) =>
    containerID === undefined ? [] : [[name, containerID.replace('containerd://', '')] as const],
  );
  return {
    uid: metadata.uid,
    node: spec.nodeName,
    address: status.podIP,
    containers: Object.fromEntries(started),
  };
}

const CTR = ['ctr', '--namespace', 'k8s.io'];

/** The running container of that name, asked from containerd, because a pod's status lags behind. */
async function runningContainer(where: Located, container: string): Promise<{ id: string; pid: number }> {
  const filter = `labels."io.kubernetes.pod.uid"==${where.uid},labels."io.kubernetes.container.name"==${container}`;
  const ids = (await exec(where.node, [...CTR, 'containers', 'list', '--quiet', filter])).stdout.trim().split('\n');
  const tasks = (await exec(where.node, [...CTR, 'tasks', 'list'])).stdout.trim().split('\n');
  for (const line of tasks) {
    const [id, pid, state] = line.trim().split(/\s+/);
    if (id !== undefined && ids.includes(id) && state === 'RUNNING') return { id, pid: Number(pid) };
  }
  throw new Error(`container ${container} is not running on ${where.node}`);
}

/** Process id of a pod's container as its node sees it. */
const processOf = async (where: Located, container: string): Promise<number> =>
  (await runningContainer(where, container)).pid;

/**
 * Sends a signal, such as SIGKILL, SIGTERM, SIGSTOP or SIGCONT, to a container's first process, from outside the
 * container: also SIGKILL and SIGSTOP arrive. The kubelet starts what has ended again.
 */
export async function killProcess(pod: PodRef, container: string, signal = 'SIGKILL'): Promise<void> {
  const where = await locate(pod);
  const { id } = await runningContainer(where, container);
  const { exitCode, stderr } = await exec(where.node, [...CTR, 'tasks', 'kill', '--signal', signal, id], {
    allowFailure: true,
  });
  if (exitCode === 0) return;
  // It may have ended by itself meanwhile, which containerd tells in many ways: look again.
  const { id: now } = await runningContainer(where, container);
  throw new Error(`${signal} did not reach ${id}, and ${now} is running: ${stderr}`);
}

/**
 * Ends a container and waits until the kubelet has started another in its place: at once the first time, with a
 * growing delay (10 s, 20 s, …) when it happens often.
 */
export async function restartContainer(pod: PodRef, container: string, signal = 'SIGKILL'): Promise<void> {
  const where = await locate(pod);
  const { id } = await runningContainer(where, container);
  await exec(where.node, [...CTR, 'tasks', 'kill', '--signal', signal, id]);
  await until(
    `a restart of ${container} in ${pod.namespace}/${pod.name}`,
    async () => ((await runningContainer(where, container)).id === id ? undefined : true),
    { timeoutMs: 120_000 },
  );
}

/** Runs a shell script of the node inside the pod's network, with the node's own programs. */
export async function inPodNetwork(pod: PodRef, script: string): Promise<string> {
  const where = await locate(pod);
  const [container] = Object.keys(where.containers);
  if (container === undefined) throw new Error(`pod ${pod.namespace}/${pod.name} has no container yet`);
  const pid = await processOf(where, container);
  const quoted = script.replaceAll("'", String.raw`'\''`);
  return (await shell(where.node, `nsenter --target ${pid} --net sh -c '${quoted}'`)).stdout;
}
