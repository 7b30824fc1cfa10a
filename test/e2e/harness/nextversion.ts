// SPDX-License-Identifier: Apache-2.0
// A next version of the operator: the image under test, with one constant of what it renders changed in its bundle.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LABEL } from '../../testbed/config.ts';
import { loadImage } from '../../testbed/images.ts';
import { run } from '../../testbed/run.ts';
import { type ChartImage, loadedImage } from './release.ts';

/** Seconds that a member's pod has to end, as this version renders them and as the next one does. */
export const grace = { now: 30, next: 31 };

/** As esbuild leaves it; nothing else in the bundle has this number. */
const rendered = new RegExp(`terminationGracePeriodSeconds:\\s*${grace.now}\\b`, 'g');

/** What the teardown of the testbed finds it by. */
const label = `${LABEL}=next-version`;

/** Builds it and loads it into the nodes; always under one name, so that only the newest takes room. */
export async function nextVersion(): Promise<ChartImage> {
  const { repository, tag } = await loadedImage();
  const next: ChartImage = { repository, tag: 'e2e-next' };
  const reference = `${next.repository}:${next.tag}`;
  const folder = await mkdtemp(path.join(tmpdir(), 'quorate-next-'));
  const bundle = path.join(folder, 'quorate.mjs');
  try {
    const { stdout } = await run('docker', ['create', '--label', label, `${repository}:${tag}`]);
    await run('docker', ['cp', `${stdout.trim()}:/app/quorate.mjs`, bundle]);
    await run('docker', ['rm', stdout.trim()]);
    const text = await readFile(bundle, 'utf8');
    const found = text.match(rendered)?.length ?? 0;
    if (found !== 1) throw new Error(`the bundle has the constant of the StatefulSet ${found} times`);
    await writeFile(bundle, text.replace(rendered, `terminationGracePeriodSeconds:${grace.next}`));
    await writeFile(path.join(folder, 'Dockerfile'), `FROM ${repository}:${tag}\nCOPY quorate.mjs /app/quorate.mjs\n`);
    const build = ['build', '--quiet', '--label', label, '--tag', reference, folder];
    await run('docker', build, { env: { DOCKER_BUILDKIT: '0' }, timeoutMs: 120_000 });
    await loadImage(reference);
    return next;
  } finally {
    await rm(folder, { recursive: true });
  }
}
