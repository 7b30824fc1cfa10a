// SPDX-License-Identifier: Apache-2.0
// Where the programs are that the testbed builds and the scripts use.
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { CACHE, FILES } from '../../test/testbed/config.ts';

/** Of the running testbed, else the newest that was ever built here. */
export async function findHelm(): Promise<string> {
  const running = path.join(FILES.bin, 'helm');
  if (existsSync(running)) return running;
  const parts = path.join(CACHE, 'parts');
  const built = (await readdir(parts).catch(() => [])).filter((name) => /^helm-[0-9a-f]+$/.test(name));
  const dated = await Promise.all(
    built.map(async (name) => ({ name, at: (await stat(path.join(parts, name))).mtimeMs })),
  );
  const newest = dated.toSorted((a, b) => b.at - a.at)[0];
  if (!newest) throw new Error('helm is not built yet: `make testbed` does it');
  return path.join(parts, newest.name, 'bin/helm');
}
