// SPDX-License-Identifier: Apache-2.0
// The lower layer of the operator's image: the C and C++ libraries and jemalloc from Debian packages, Node from the lockfile.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CACHE, NODE_BINARY } from '../../test/testbed/config.ts';
import type { Progress } from '../../test/testbed/progress.ts';
import { run } from '../../test/testbed/run.ts';

/**
 * What the Node binary is linked with (its ICU carries the time zones, its own store the public authorities), and an
 * allocator that gives memory back: with libc's, a burst of connections leaves 15 MB behind for good.
 */
const packages = ['libc6', 'libstdc++6', 'libgcc-s1', 'libjemalloc2'];
/** Loaded into what the image starts, unless the variable is set to nothing. */
const allocator = '/usr/lib/x86_64-linux-gnu/libjemalloc.so.2';
/** Shipped by the packages and of no use to one process: character sets, locales, the linker's audit tools. */
const unused = [
  'usr/lib/x86_64-linux-gnu/gconv',
  'usr/lib/x86_64-linux-gnu/audit',
  'usr/lib/locale',
  'usr/share/lintian',
  'usr/share/gcc',
  'usr/share/gdb',
  'etc/ld.so.conf.d',
];
/** The same in every build, so that equal files give equal layers. */
const mtime = '@1700000000';
const user = 65_532;

export const sha256 = (...parts: (string | Buffer)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex');
};

/** A tar file whose bytes depend on names and contents alone. */
export async function pack(folder: string, file: string): Promise<void> {
  const args = [
    '--sort=name',
    `--mtime=${mtime}`,
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--format=gnu',
    '-C',
    folder,
    '-cf',
    file,
    '.',
  ];
  await run('tar', args);
}

async function download(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const get = () =>
    run('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', ...packages], {
      cwd: folder,
      allowFailure: true,
    });
  if ((await get()).status !== 0) {
    // A fresh machine has no package lists, an old one may know versions that are gone.
    await run('apt-get', ['update', '-q'], { timeoutMs: 300_000 });
    const again = await get();
    if (again.status !== 0) throw new Error(again.stderr);
  }
  return (await readdir(folder))
    .filter((name) => name.endsWith('.deb'))
    .toSorted()
    .map((name) => path.join(folder, name));
}

const systemFiles: Record<string, string> = {
  'etc/passwd': `root:x:0:0:root:/:/sbin/nologin\nnonroot:x:${user}:${user}:nonroot:/:/sbin/nologin\n`,
  'etc/group': `root:x:0:\nnonroot:x:${user}:\n`,
  'etc/nsswitch.conf': 'hosts: files dns\n',
  'etc/os-release':
    'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nPRETTY_NAME="Quorate on Debian 12 packages"\n',
};

/** The libraries and Node; each package leaves its control file, so that scanners know what is inside. */
async function assembleBase(root: string, debs: string[]): Promise<void> {
  const put = async (file: string, text: string | Buffer) => {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  };
  for (const deb of debs) {
    await run('dpkg-deb', ['-x', deb, root]);
    const { stdout } = await run('dpkg-deb', ['-f', deb]);
    await put(`var/lib/dpkg/status.d/${path.basename(deb).split('_')[0]}`, stdout);
  }
  for (const folder of unused) await rm(path.join(root, folder), { recursive: true, force: true });
  for (const [file, text] of Object.entries(systemFiles)) await put(file, text);
  await mkdir(path.join(root, 'tmp'));
  await chmod(path.join(root, 'tmp'), 0o1777);
  await mkdir(path.join(root, 'usr/bin'), { recursive: true });
  const node = path.join(root, 'usr/bin/node');
  await copyFile(NODE_BINARY, node);
  await run('strip', ['--strip-all', node]);
  await put('usr/share/doc/nodejs/copyright', await readFile(path.join(NODE_BINARY, '../../LICENSE')));
  if (!existsSync(path.join(root, 'lib64'))) await symlink('lib', path.join(root, 'lib64'));
}

/** Made once and kept: the same files as long as Node, the list of packages and this recipe are the same. */
async function ensureArchive(progress: Progress): Promise<string> {
  const node = await readFile(path.join(NODE_BINARY, '../../package.json'), 'utf8');
  const recipe = JSON.stringify([packages, unused, systemFiles, mtime, 3]);
  const key = sha256(recipe, node, String((await stat(NODE_BINARY)).size)).slice(0, 16);
  const file = path.join(CACHE, 'image', `base-${key}.tar`);
  if (existsSync(file) && process.env['REFRESH'] !== '1') return file;
  const making = path.join(CACHE, 'image', `making-${process.pid}`);
  await progress.step('assemble the base (libraries, Node)', async () => {
    await rm(making, { recursive: true, force: true });
    const debs = await download(path.join(making, 'debs'));
    const root = path.join(making, 'root');
    await mkdir(root);
    await assembleBase(root, debs);
    await pack(root, path.join(making, 'base.tar'));
    await rename(path.join(making, 'base.tar'), file);
    await rm(making, { recursive: true, force: true });
  });
  return file;
}

/** Name of the base image; its tag is the hash of its files and settings. The engine must run. */
export async function ensureBase(progress: Progress): Promise<string> {
  const archive = await ensureArchive(progress);
  const env = `ENV LD_PRELOAD=${allocator}`;
  const reference = `quorate-base:${createHash('sha256')
    .update(await readFile(archive))
    .update(env)
    .digest('hex')
    .slice(0, 16)}`;
  const known = await run('docker', ['image', 'inspect', reference], { allowFailure: true });
  if (known.status !== 0) {
    await progress.step(`import ${reference}`, () =>
      run('docker', ['import', '--change', env, archive, reference], { timeoutMs: 120_000 }),
    );
  }
  return reference;
}
