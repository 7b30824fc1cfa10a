// SPDX-License-Identifier: Apache-2.0
// Containers, networks and volumes of the testbed: testcontainers with the few settings that it has no method for.
import { createHash } from 'node:crypto';
import { type ContainerRuntimeClient, GenericContainer, getContainerRuntimeClient, PullPolicy } from 'testcontainers';
import { removeStrayBridges } from './bridges.ts';
import { ADDRESSES, LABEL, PREFIX } from './config.ts';

const NETWORK = PREFIX;

export type Runtime = ContainerRuntimeClient;

export interface ContainerPlan {
  /** `node1`, `control-plane`, …; the container is called `quorate-testbed-<name>`. */
  readonly name: string;
  readonly image: string;
  readonly address: string;
  readonly command: readonly string[];
  /** `source:target:mode`; a source that is no path is a volume of the testbed. */
  readonly binds: readonly string[];
  readonly tmpfs: readonly string[];
  /** May mount, make devices and change its network: everything but CAP_SYS_RESOURCE, which some machines lack. */
  readonly powerful: boolean;
  /** Ports published on 127.0.0.1 only: inside → outside. */
  readonly ports: Readonly<Record<number, number>>;
  readonly env: Readonly<Record<string, string>>;
  /** Whatever else shapes the container, such as the contents of mounted files: a change makes it anew. */
  readonly fingerprint: string;
}

const containerName = (name: string): string => `${PREFIX}-${name}`;
export const volumeName = (name: string): string => `${PREFIX}-${name}`;
export const runtime = (): Promise<Runtime> => getContainerRuntimeClient();
const hashOf = (plan: ContainerPlan): string =>
  createHash('sha256').update(JSON.stringify(plan)).digest('hex').slice(0, 16);

class TestbedContainer extends GenericContainer {
  constructor(plan: ContainerPlan) {
    super(plan.image);
    this.withName(containerName(plan.name))
      .withHostname(plan.name)
      .withCommand([...plan.command])
      .withEnvironment(plan.env)
      .withNetworkMode(NETWORK)
      .withLabels({ [LABEL]: plan.name, [`${LABEL}.plan`]: hashOf(plan) })
      .withPullPolicy(PullPolicy.neverPull())
      .withAutoCleanup(false)
      .withTmpFs(Object.fromEntries(plan.tmpfs.map((target) => [target, 'rw,exec,suid,dev'])));
    this.createOpts.NetworkingConfig = {
      EndpointsConfig: { [NETWORK]: { IPAMConfig: { IPv4Address: plan.address } } },
    };
    this.createOpts.StopTimeout = 10;
    this.hostConfig.Binds = [...plan.binds];
    this.hostConfig.Ulimits = [];
    this.publish(plan.ports);
    if (plan.powerful) this.empower();
  }

  private publish(ports: Readonly<Record<number, number>>): void {
    const entries = Object.entries(ports);
    this.createOpts.ExposedPorts = Object.fromEntries(entries.map(([inside]) => [`${inside}/tcp`, {}]));
    this.hostConfig.PortBindings = Object.fromEntries(
      entries.map(([inside, outside]) => [`${inside}/tcp`, [{ HostIp: '127.0.0.1', HostPort: String(outside) }]]),
    );
  }

  private empower(): void {
    this.hostConfig.CapAdd = ['ALL'];
    this.hostConfig.CapDrop = ['SYS_RESOURCE'];
    this.hostConfig.SecurityOpt = ['seccomp=unconfined', 'apparmor=unconfined'];
    // What `--security-opt systempaths=unconfined` means to the docker client.
    this.hostConfig.MaskedPaths = [];
    this.hostConfig.ReadonlyPaths = [];
    Object.assign(this.hostConfig, { CgroupnsMode: 'private' }); // its type does not know it yet
    // Loop devices, for volumes.
    this.hostConfig.DeviceCgroupRules = ['b 7:* rmw', 'c 10:237 rmw'];
  }
}

const isMissing = (error: unknown): boolean => (error as { statusCode?: number }).statusCode === 404;

/** The named container, or undefined. */
export async function findContainer(name: string) {
  const client = await runtime();
  const container = client.container.getById(containerName(name));
  try {
    return { container, info: await container.inspect() };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Makes sure that a container of this plan runs. One that runs already is left alone, a stopped one is started,
 * a paused one woken, and one of another plan made anew (its volumes stay).
 */
export async function ensureContainer(plan: ContainerPlan): Promise<'kept' | 'started' | 'created'> {
  const found = await findContainer(plan.name);
  if (found !== undefined) {
    const { container, info } = found;
    if (info.Config.Labels[`${LABEL}.plan`] === hashOf(plan) && !info.State.Dead) {
      if (info.State.Paused) await container.unpause();
      if (info.State.Running) return 'kept';
      await container.start();
      return 'started';
    }
    await container.remove({ force: true });
  }
  await new TestbedContainer(plan).start();
  return 'created';
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Runs a command in a container of the testbed; throws unless it exits with 0. */
export async function exec(
  name: string,
  command: readonly string[],
  o: { allowFailure?: boolean } = {},
): Promise<ExecResult> {
  const client = await runtime();
  const result = await client.container.exec(client.container.getById(containerName(name)), [...command]);
  if (result.exitCode !== 0 && o.allowFailure !== true) {
    const said = (result.stderr || result.output).trim().split('\n').slice(-8).join('\n');
    throw new Error(`${command.join(' ')} in ${name} ended with ${result.exitCode}: ${said}`);
  }
  return result;
}

/** A script of the shell in a container. */
export const shell = (name: string, script: string, o: { allowFailure?: boolean } = {}): Promise<ExecResult> =>
  exec(name, ['sh', '-c', script], o);

export async function ensureNetwork(): Promise<void> {
  const { container } = await runtime();
  const networks = await container.dockerode.listNetworks();
  await removeStrayBridges(networks.map(({ Id: id }) => id));
  if (networks.some((network) => network.Name === NETWORK)) return;
  await container.dockerode.createNetwork({
    Name: NETWORK,
    Labels: { [LABEL]: 'network' },
    IPAM: { Config: [{ Subnet: ADDRESSES.nodes }] },
  });
}

/** Volumes are made by name with a label, so that teardown finds them. */
export async function ensureVolumes(names: readonly string[]): Promise<void> {
  const { container } = await runtime();
  await Promise.all(
    names.map((name) => container.dockerode.createVolume({ Name: volumeName(name), Labels: { [LABEL]: name } })),
  );
}

const labelled = { filters: { label: [LABEL] } };

/** Names of everything that carries the testbed's label. */
export async function labelledObjects(): Promise<Record<'container' | 'volume' | 'network' | 'image', string[]>> {
  const docker = (await runtime()).container.dockerode;
  const { Volumes: volumes } = await docker.listVolumes(labelled);
  return {
    container: (await docker.listContainers({ all: true, ...labelled })).flatMap(({ Names: names }) => names),
    volume: (volumes ?? []).map(({ Name: name }) => name),
    network: (await docker.listNetworks(labelled)).map(({ Name: name }) => name),
    image: (await docker.listImages(labelled)).map(({ Id: id }) => id),
  };
}

/** Removing what is gone already is fine. */
async function gone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Removes all containers, volumes and the network of the testbed; images too when asked. */
export async function removeEverything(o: { images: boolean }): Promise<void> {
  const docker = (await runtime()).container.dockerode;
  const containers = await docker.listContainers({ all: true, ...labelled });
  await Promise.all(containers.map((c) => gone(docker.getContainer(c.Id).remove({ force: true, v: true }))));
  const { Volumes: volumes } = await docker.listVolumes(labelled);
  await Promise.all((volumes ?? []).map((v) => gone(docker.getVolume(v.Name).remove())));
  const networks = await docker.listNetworks(labelled);
  await Promise.all(networks.map((n) => gone(docker.getNetwork(n.Id).remove())));
  if (!o.images) return;
  const images = await docker.listImages({ ...labelled });
  for (const image of images) await gone(docker.getImage(image.Id).remove({ force: true }));
}
