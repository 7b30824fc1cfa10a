// SPDX-License-Identifier: Apache-2.0
// The operator's image: what is in it, what is not, and that it can be built again.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildImage, type OperatorImage } from '../../scripts/image.ts';
import { ROOT } from '../testbed/config.ts';
import { silent } from '../testbed/progress.ts';
import { run } from '../testbed/run.ts';

let image: OperatorImage;
beforeAll(async () => {
  image = await buildImage(silent);
}, 300_000);

const docker = (...args: string[]) => run('docker', args, { allowFailure: true });

async function files(): Promise<string[]> {
  const container = (await docker('create', image.reference)).stdout.trim();
  try {
    const { stdout } = await run('sh', ['-c', 'docker export "$0" | tar -t', container]);
    return stdout.trim().split('\n');
  } finally {
    await docker('rm', container);
  }
}

const facts = async () => ({
  bundle: createHash('sha256')
    .update(await readFile(path.join(ROOT, 'dist/quorate.mjs')))
    .digest('hex'),
  layers: (await docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', image.reference)).stdout,
});

/** As Kubernetes runs it under the restricted standard. */
const restricted = [
  'run',
  '--rm',
  '--network=none',
  '--read-only',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges',
];

describe('the image', () => {
  it('runs Node 24', async () => {
    const { stdout } = await docker(...restricted, '--entrypoint=/usr/bin/node', image.reference, '--version');
    expect(stdout).toMatch(/^v24\./);
  });

  it('runs the operator under the restricted standard, and says how to use it', async () => {
    const { status, stderr } = await docker(...restricted, image.reference, 'help');
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining('usage: quorate operator') });
  });

  it('has a numeric user that is not root', async () => {
    const { stdout } = await docker('image', 'inspect', '--format', '{{.Config.User}}', image.reference);
    expect(stdout.trim()).toBe('65532:65532');
  });

  it('has no shell, no package manager, no npm, and one file of ours', async () => {
    const all = await files();
    const programs = all.filter((file) => /^(?:usr\/)?s?bin\/./.test(file));
    expect(programs).toEqual(['usr/bin/node']);
    expect(all.filter((file) => file.startsWith('app/') && file !== 'app/')).toEqual(['app/quorate.mjs']);
    expect(all.filter((file) => file.includes('node_modules'))).toEqual([]);
  });

  it('tells scanners which packages it holds', async () => {
    expect(await files()).toEqual(
      expect.arrayContaining(['var/lib/dpkg/status.d/libc6', 'var/lib/dpkg/status.d/libstdc++6']),
    );
  });

  it('is smaller than 130 MB', async () => {
    const { stdout } = await docker('image', 'inspect', '--format', '{{.Size}}', image.reference);
    expect(Number(stdout)).toBeLessThan(130e6);
  });

  it('built twice has the same bundle and the same layers', async () => {
    const before = await facts();
    await buildImage(silent, { fresh: true });
    expect(await facts()).toEqual(before);
  }, 300_000);
});
