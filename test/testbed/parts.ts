// SPDX-License-Identifier: Apache-2.0
// Builds the programs of the testbed from pinned Go modules, once, into a cache keyed by everything that shapes them.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { CACHE, VERSIONS } from './config.ts';
import type { Progress } from './progress.ts';
import { StepError } from './progress.ts';
import { run } from './run.ts';

interface Part {
  /** Folder under `parts/`, with go.mod and go.sum. */
  readonly name: string;
  /** What `go build` is asked for: the module's tools, or its own program. */
  readonly packages: 'tool' | '.';
  readonly ldflags: string;
  /** Names of programs that Go would name otherwise. */
  readonly rename?: Readonly<Record<string, string>>;
}

const kubernetesVersion = (pkg: string): string => {
  const [major, minor] = VERSIONS.kubernetes.split('.');
  return [
    `-X ${pkg}.gitVersion=v${VERSIONS.kubernetes}`,
    `-X ${pkg}.gitMajor=${major}`,
    `-X ${pkg}.gitMinor=${minor}`,
    `-X ${pkg}.gitTreeState=clean`,
  ].join(' ');
};

const STRIP = '-s -w';

/** In the order of building: Kubernetes first, because most of the others share packages with it. */
const PARTS: readonly Part[] = [
  {
    name: 'kubernetes',
    packages: 'tool',
    ldflags: `${STRIP} ${kubernetesVersion('k8s.io/component-base/version')} ${kubernetesVersion('k8s.io/client-go/pkg/version')}`,
  },
  { name: 'etcd-3.6', packages: 'tool', ldflags: STRIP, rename: { server: 'etcd' } },
  {
    name: 'containerd',
    packages: 'tool',
    ldflags: `${STRIP} -X github.com/containerd/containerd/v2/version.Version=v2.4.2`,
  },
  { name: 'cni', packages: 'tool', ldflags: STRIP },
  { name: 'pause', packages: '.', ldflags: STRIP },
  { name: 'coredns', packages: 'tool', ldflags: STRIP },
  { name: 'csi-provisioner', packages: 'tool', ldflags: `${STRIP} -X main.version=v6.3.0` },
  { name: 'csi-resizer', packages: 'tool', ldflags: `${STRIP} -X main.version=v2.3.0` },
  { name: 'versitygw', packages: 'tool', ldflags: `${STRIP} -X main.Version=v1.8.0` },
  { name: 'etcd-3.5', packages: 'tool', ldflags: STRIP, rename: { server: 'etcd' } },
  { name: 'etcd-3.7', packages: 'tool', ldflags: STRIP, rename: { server: 'etcd' } },
  { name: 'helm', packages: 'tool', ldflags: `${STRIP} -X helm.sh/helm/v4/internal/version.version=v4.3.1` },
];

/** Where the programs of each part lie: part name → folder. */
export type PartFolders = Readonly<Record<string, string>>;

const source = (part: Part): string => path.join(import.meta.dirname, 'parts', part.name);

async function keyOf(part: Part, goVersion: string): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([part.packages, part.ldflags, part.rename ?? {}, goVersion]));
  for (const file of (await readdir(source(part))).toSorted()) {
    hash.update(file).update(await readFile(path.join(source(part), file)));
  }
  return hash.digest('hex').slice(0, 16);
}

async function build(part: Part, folder: string, log: string): Promise<void> {
  const making = `${folder}.making`;
  await rm(making, { recursive: true, force: true });
  await mkdir(path.join(making, 'bin'), { recursive: true });
  // Two at a time: a core each on the smallest machine that the testbed is meant for.
  const args = ['build', '-trimpath', '-mod=readonly', '-buildvcs=false', '-p', '2', '-ldflags', part.ldflags];
  await rm(log, { force: true });
  await run('go', [...args, '-o', `${path.join(making, 'bin')}/`, part.packages], {
    cwd: source(part),
    env: { CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' },
    log,
    timeoutMs: 60 * 60_000,
  });
  for (const [from, to] of Object.entries(part.rename ?? {})) {
    await rename(path.join(making, 'bin', from), path.join(making, 'bin', to));
  }
  await rename(making, folder); // only a finished part has its own name
}

/** Makes sure that every part is built, one `go build` at a time, and says where they are. */
export async function ensureParts(progress: Progress): Promise<PartFolders> {
  const cache = path.join(CACHE, 'parts');
  await mkdir(cache, { recursive: true });
  const goVersion = (await run('go', ['env', 'GOVERSION', 'GOARCH'], { cwd: source(PARTS[0]!) })).stdout;
  const folders: Record<string, string> = {};
  const missing: { part: Part; folder: string }[] = [];
  for (const part of PARTS) {
    const folder = path.join(cache, `${part.name}-${await keyOf(part, goVersion)}`);
    folders[part.name] = path.join(folder, 'bin');
    if (!existsSync(folder)) missing.push({ part, folder });
  }
  for (const [index, { part, folder }] of missing.entries()) {
    const log = path.join(cache, `${part.name}.log`);
    const name = `build ${part.name} (${index + 1} of ${missing.length})`;
    progress.note(`${name}, log: ${log}`);
    try {
      await progress.step(name, () => build(part, folder, log));
    } catch (error) {
      throw new StepError(`build of part ${part.name}`, error instanceof Error ? (error.cause ?? error) : error, log);
    }
  }
  return folders;
}
