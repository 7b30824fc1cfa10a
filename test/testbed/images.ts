// SPDX-License-Identifier: Apache-2.0
// Container images made from built programs, without an engine, and their way into the nodes' containerd.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, copyFile, link, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CACHE, COREDNS_IMAGE, etcdImage, FILES, NODES, PAUSE_IMAGE, VERSIONS } from './config.ts';
import { exec, runtime, shell } from './docker.ts';
import type { PartFolders } from './parts.ts';
import { run } from './run.ts';

interface ImagePlan {
  readonly reference: string;
  /** Path in the image → file of the machine. */
  readonly files: Readonly<Record<string, string>>;
  readonly folders: readonly string[];
  readonly command: readonly string[];
  readonly entrypoint?: readonly string[];
}

export interface ImageFile {
  readonly reference: string;
  /** Name of the archive in the images folder, which all nodes see. */
  readonly file: string;
  /** Changes when the contents do. */
  readonly digest: string;
}

const single = (reference: string, program: string, source: string): ImagePlan => ({
  reference,
  files: { [program]: source },
  folders: ['tmp'],
  command: [],
  entrypoint: [`/${program}`],
});

/** The images that every node has from the start. */
function standardImages(parts: PartFolders): ImagePlan[] {
  const etcd = VERSIONS.etcd.map((version): ImagePlan => {
    const bin = parts[`etcd-${version.split('.').slice(0, 2).join('.')}`];
    const programs = ['etcd', 'etcdctl', 'etcdutl'].map((name) => [`usr/local/bin/${name}`, `${bin}/${name}`]);
    return {
      reference: etcdImage(version),
      files: Object.fromEntries(programs),
      folders: ['var/etcd', 'var/lib/etcd', 'tmp'],
      command: ['/usr/local/bin/etcd'],
    };
  });
  return [
    single(PAUSE_IMAGE, 'pause', `${parts['pause']}/pause`),
    single(COREDNS_IMAGE, 'coredns', `${parts['coredns']}/coredns`),
    ...etcd,
  ];
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

const TAR = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];

/** Writes one image as an archive that `docker load` and containerd understand. */
async function buildArchive(plan: ImagePlan, target: string): Promise<void> {
  const folder = await mkdtemp(`${target}.making-`);
  try {
    const root = path.join(folder, 'root');
    for (const name of plan.folders) {
      await mkdir(path.join(root, name), { recursive: true });
      if (name === 'tmp') await chmod(path.join(root, name), 0o1777);
    }
    for (const [inside, outside] of Object.entries(plan.files)) {
      await mkdir(path.dirname(path.join(root, inside)), { recursive: true });
      await copyFile(outside, path.join(root, inside));
      await chmod(path.join(root, inside), 0o755);
    }
    await run('tar', [...TAR, '-C', root, '-cf', path.join(folder, 'layer.tar'), '.']);
    await rm(root, { recursive: true });
    const config = JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
        WorkingDir: '/',
        ...(plan.command.length > 0 ? { Cmd: plan.command } : {}),
        ...(plan.entrypoint === undefined ? {} : { Entrypoint: plan.entrypoint }),
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${await sha256(path.join(folder, 'layer.tar'))}`] },
    });
    await writeFile(path.join(folder, 'config.json'), config);
    const manifest = [{ Config: 'config.json', RepoTags: [plan.reference], Layers: ['layer.tar'] }];
    await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
    await run('tar', [...TAR, '-C', folder, '-cf', `${target}.making`, 'config.json', 'layer.tar', 'manifest.json']);
    await rename(`${target}.making`, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function provide(source: string, file: string): Promise<void> {
  const target = path.join(FILES.images, file);
  if (existsSync(target)) return;
  await link(source, target).catch(() => copyFile(source, target)); // another filesystem cannot be linked to
}

/** Makes the archives of the standard images, from the cache where possible. */
export async function ensureArchives(parts: PartFolders): Promise<ImageFile[]> {
  const cache = path.join(CACHE, 'images');
  await mkdir(cache, { recursive: true });
  await mkdir(FILES.images, { recursive: true });
  return Promise.all(
    standardImages(parts).map(async (plan) => {
      // The folders of parts are named by their contents, so their names are enough.
      const digest = createHash('sha256').update(JSON.stringify(plan)).digest('hex');
      const file = `${digest.slice(0, 16)}.tar`;
      const target = path.join(cache, file);
      if (!existsSync(target)) await buildArchive(plan, target);
      await provide(target, file);
      return { reference: plan.reference, file, digest };
    }),
  );
}

/** An image of the engine, or an archive, as a file that the nodes see. */
async function archiveOf(source: string): Promise<ImageFile> {
  await mkdir(FILES.images, { recursive: true });
  if (source.endsWith('.tar')) {
    const info = await stat(source);
    const digest = await sha256(source);
    const file = `${digest.slice(0, 16)}.tar`;
    await provide(source, file);
    const reference = await run('tar', ['-xOf', source, 'manifest.json'], { timeoutMs: 30_000 + info.size / 1e4 });
    const [manifest] = JSON.parse(reference.stdout) as { RepoTags: string[] }[];
    const name = manifest?.RepoTags[0];
    if (name === undefined) throw new Error(`${source} names no image`);
    return { reference: name, file, digest };
  }
  const docker = (await runtime()).container.dockerode;
  const image = docker.getImage(source);
  const { Id: digest } = await image.inspect();
  const name = createHash('sha256').update(source).digest('hex').slice(0, 16);
  const file = `${name}-${digest.replace('sha256:', '').slice(0, 16)}.tar`;
  const target = path.join(FILES.images, file);
  if (!existsSync(target)) {
    await pipeline(await image.get(), createWriteStream(`${target}.making`));
    await rename(`${target}.making`, target);
    // Earlier builds of the same name are of no use any more.
    for (const old of await readdir(FILES.images)) {
      if (old.startsWith(`${name}-`) && old !== file) await rm(path.join(FILES.images, old), { force: true });
    }
  }
  return { reference: source, file, digest };
}

const MARKS = '/var/lib/containerd/testbed';

/**
 * Imports archives into one node's containerd; those that it has already are skipped. What has been imported is
 * noted beside containerd's own store, so that the note goes when the store goes.
 */
export async function importImages(node: string, images: readonly ImageFile[]): Promise<void> {
  const have = new Set((await shell(node, `mkdir -p ${MARKS} && ls ${MARKS}`)).stdout.split('\n'));
  const mark = (image: ImageFile) =>
    createHash('sha256').update(`${image.reference} ${image.digest}`).digest('hex').slice(0, 24);
  for (const image of images.filter((candidate) => !have.has(mark(candidate)))) {
    await exec(node, ['ctr', '--namespace', 'k8s.io', 'images', 'import', `/images/${image.file}`]);
    await exec(node, ['touch', `${MARKS}/${mark(image)}`]);
  }
}

/** Loads an image (a name known to the engine, or a path that ends in `.tar`) into all running nodes at once. */
export async function loadImage(
  source: string,
  nodes: readonly string[] = NODES.map((n) => n.name),
): Promise<ImageFile> {
  const image = await archiveOf(source);
  await Promise.all(nodes.map((node) => importImages(node, [image])));
  return image;
}
