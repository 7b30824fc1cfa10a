// SPDX-License-Identifier: Apache-2.0
// The root filesystem of all containers of the testbed: a minimal Debian with what nodes need, made once.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { CACHE, LABEL, PREFIX } from './config.ts';
import { runtime } from './docker.ts';
import type { Progress } from './progress.ts';
import { run } from './run.ts';

const SUITE = 'bookworm';
const PACKAGES = [
  'ca-certificates',
  'conntrack',
  'e2fsprogs',
  'iproute2',
  'ipset',
  'iptables',
  'procps',
  'runc',
  'socat',
  'tini',
  'xfsprogs',
];
/** Not needed at run time, and half of the size. */
const DROPPED = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/locale',
  'usr/share/info',
  'var/lib/apt/lists',
  'var/cache',
];

const key = createHash('sha256')
  .update(JSON.stringify([SUITE, PACKAGES, DROPPED]))
  .digest('hex')
  .slice(0, 16);
export const BASE_IMAGE = `${PREFIX}-base:${key}`;

async function bootstrap(tar: string, log: string): Promise<void> {
  const folder = `${tar}.root`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  try {
    await run('debootstrap', ['--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, folder], {
      log,
      timeoutMs: 15 * 60_000,
    });
    for (const dropped of DROPPED) await rm(path.join(folder, dropped), { recursive: true, force: true });
    await run('tar', ['-C', folder, '--numeric-owner', '--one-file-system', '-cf', `${tar}.making`, '.'], {
      timeoutMs: 5 * 60_000,
    });
    await rename(`${tar}.making`, tar);
  } finally {
    await run('umount', [path.join(folder, 'proc')], { allowFailure: true });
    await rm(folder, { recursive: true, force: true });
  }
}

/** Makes sure that the engine has the base image. */
export async function ensureBaseImage(progress: Progress): Promise<void> {
  const docker = (await runtime()).container.dockerode;
  const images = await docker.listImages({ filters: { reference: [BASE_IMAGE] } });
  if (images.length > 0) return;
  const folder = path.join(CACHE, 'rootfs');
  const tar = path.join(folder, `${key}.tar`);
  await mkdir(folder, { recursive: true });
  if (!existsSync(tar)) {
    const log = path.join(folder, 'debootstrap.log');
    await progress.step('build root filesystem', () => bootstrap(tar, log), { log });
  }
  await progress.step('import root filesystem', async () => {
    const stream = await docker.importImage(createReadStream(tar), {
      repo: BASE_IMAGE.split(':')[0],
      tag: key,
      changes: `LABEL ${LABEL}=base`,
    });
    await new Promise<void>((resolve, reject) => {
      docker.modem.followProgress(stream, (error: Error | null) => (error === null ? resolve() : reject(error)));
    });
  });
}
