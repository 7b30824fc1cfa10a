// SPDX-License-Identifier: Apache-2.0
// The image of a person's backup: the operator's own image with etcdctl, zstd and the person's script on top.
import { copyFile, mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { pack, sha256 } from '../../../scripts/lib/base.ts';
import { CACHE, FILES, STATE } from '../../testbed/config.ts';
import { loadImage } from '../../testbed/images.ts';
import { run } from '../../testbed/run.ts';

const script = new URL('./main.ts', import.meta.url).pathname;
const packages = ['zstd', 'liblz4-1', 'liblzma5', 'zlib1g'];

/** Builds the image and loads it into the nodes; resolves with its name. */
export async function loadPersonImage(base: string): Promise<string> {
  const folder = path.join(STATE, 'bench', 'person');
  const root = path.join(folder, 'root');
  await rm(folder, { recursive: true, force: true });
  await mkdir(path.join(root, 'usr/local/bin'), { recursive: true });
  for (const deb of await debs()) await run('dpkg-deb', ['-x', deb, root]);
  await rm(path.join(root, 'usr/share'), { recursive: true, force: true });
  // The base has /lib as a link; what the packages put there goes where the link leads.
  await run('sh', ['-c', 'if [ -d lib ]; then mkdir -p usr/lib && cp -a lib/. usr/lib/ && rm -r lib; fi'], {
    cwd: root,
  });
  await copyFile(await realpath(path.join(FILES.bin, 'etcdctl')), path.join(root, 'usr/local/bin/etcdctl'));
  const outfile = path.join(root, 'app/person.cjs');
  await build({ entryPoints: [script], outfile, bundle: true, platform: 'node', format: 'cjs', logLevel: 'silent' });
  await pack(root, path.join(folder, 'person.tar'));
  await rm(root, { recursive: true });
  // A person has no reason to trade speed for memory, as the operator's image does.
  const dockerfile = `FROM ${base}\nADD person.tar /\nENV LD_PRELOAD= MALLOC_CONF=\nENTRYPOINT ["node", "/app/person.cjs"]\n`;
  await writeFile(path.join(folder, 'Dockerfile'), dockerfile);
  const tag = sha256(dockerfile, await readFile(path.join(folder, 'person.tar'))).slice(0, 12);
  const image = `quorate-bench-person:${tag}`;
  await run('docker', ['build', '--quiet', '--tag', image, folder], {
    env: { DOCKER_BUILDKIT: '0' },
    timeoutMs: 300_000,
  });
  await loadImage(image);
  return image;
}

/** Debian's zstd and its libraries, fetched once. */
async function debs(): Promise<string[]> {
  const cwd = path.join(CACHE, 'bench-debs');
  await mkdir(cwd, { recursive: true });
  const have = async () =>
    (await readdir(cwd)).filter((name) => name.endsWith('.deb')).map((name) => path.join(cwd, name));
  if ((await have()).length === packages.length) return have();
  const get = ['download', '-q', '-o', 'APT::Sandbox::User=root', ...packages];
  if ((await run('apt-get', get, { cwd, allowFailure: true })).status !== 0) {
    // A fresh machine has no package lists, an old one may know versions that are gone.
    await run('apt-get', ['update', '-q'], { timeoutMs: 300_000 });
    await run('apt-get', get, { cwd });
  }
  return have();
}
