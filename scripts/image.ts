// SPDX-License-Identifier: Apache-2.0
// Builds the operator's image without a registry: one bundled file on a base of Debian's libc and the lockfile's Node.
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { ROOT } from '../test/testbed/config.ts';
import { ensureEngine } from '../test/testbed/engine.ts';
import type { Progress } from '../test/testbed/progress.ts';
import { run } from '../test/testbed/run.ts';
import { type BundleResult, bundle } from './bundle.ts';
import { ensureBase, pack, sha256 } from './lib/base.ts';
import { runScript } from './lib/main.ts';

const context = path.join(ROOT, 'dist/image');

export interface OperatorImage {
  repository: string;
  tag: string;
  /** `repository:tag`; the tag is a hash of everything that is in the image. */
  reference: string;
}

/** The build context: what is ours in the image, as one archive. */
async function place({ file, licenses }: BundleResult): Promise<void> {
  await rm(context, { recursive: true, force: true });
  const tree = path.join(context, 'app');
  const docs = path.join(tree, 'usr/share/doc/quorate');
  await mkdir(path.join(tree, 'app'), { recursive: true });
  await mkdir(docs, { recursive: true });
  await copyFile(file, path.join(tree, 'app/quorate.mjs'));
  await copyFile(path.join(ROOT, 'LICENSE'), path.join(docs, 'copyright'));
  await copyFile(licenses, path.join(docs, path.basename(licenses)));
  await pack(tree, path.join(context, 'app.tar'));
  await rm(tree, { recursive: true });
}

/** Bundles, assembles and builds. An image of exactly these files that is there already is taken, unless `fresh`. */
export async function buildImage(progress: Progress, options: { fresh?: boolean } = {}): Promise<OperatorImage> {
  const fresh = options.fresh === true;
  const bundled = await progress.step('bundle the operator', () => bundle());
  await ensureEngine(progress);
  const base = await ensureBase(progress);
  const dockerfile = await readFile(path.join(ROOT, 'Dockerfile'));
  const { version }: { version: string } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  const tag = `${version}-${sha256(base, await readFile(bundled.file), dockerfile).slice(0, 12)}`;
  const image: OperatorImage = { repository: 'quorate', tag, reference: `quorate:${tag}` };
  const known = await run('docker', ['image', 'inspect', image.reference], { allowFailure: true });
  if (known.status === 0 && !fresh) return image;
  await progress.step(`build ${image.reference}`, async () => {
    await place(bundled);
    const args = ['--build-arg', `BASE=${base}`, '--build-arg', `VERSION=${version}`, '--tag', image.reference];
    const always = fresh ? ['--no-cache'] : [];
    const build = ['build', '--quiet', ...always, ...args, '--file', path.join(ROOT, 'Dockerfile'), context];
    await run('docker', build, { env: { DOCKER_BUILDKIT: '0' }, timeoutMs: 300_000 });
  });
  return image;
}

async function describe(name: string): Promise<string> {
  const { stdout } = await run('docker', ['image', 'inspect', '--format', '{{.Size}} {{json .RootFS.Layers}}', name]);
  const [size, layers] = stdout.trim().split(' ');
  return `${name}: ${(Number(size) / 1e6).toFixed(1)} MB, layers ${layers}`;
}

if (import.meta.main) {
  await runScript(async (progress) => {
    const image = await buildImage(progress);
    const name = process.argv[2] ?? image.reference;
    if (name !== image.reference) await run('docker', ['tag', image.reference, name]);
    progress.note(await describe(name));
  });
}
