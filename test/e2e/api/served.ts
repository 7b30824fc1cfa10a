// SPDX-License-Identifier: Apache-2.0
// A copy of our CRDs under a group of its own on the real API server: as this tree makes them, with no operator near.
import { randomBytes } from 'node:crypto';
import { type CustomResourceDefinition, definitions } from '../../../src/api/crd.ts';
import type { KubeObject } from '../../../src/runtime/json.ts';
import { kubeconfigFile } from '../harness/files.ts';
import { ApiError, Kube } from '../harness/kube.ts';
import { until } from '../harness/until.ts';

export interface Answer {
  /** Of HTTP. */
  readonly status: number;
  /** What the API server says against it; empty if it was taken. */
  readonly message: string;
  /** As the API server would keep it. */
  readonly object?: KubeObject & { spec: object; status?: object };
}

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const NAMESPACE = 'default';

/** What `crds/` holds, by plural. */
export const definitionOf = (plural: string): CustomResourceDefinition => {
  const found = Object.values(definitions()).find((d) => d.spec.names.plural === plural);
  if (found === undefined) throw new Error(`no ${plural}`);
  return found;
};

export class Served {
  readonly kube: Kube;
  readonly group: string;

  private constructor(kube: Kube, group: string) {
    this.kube = kube;
    this.group = group;
  }

  static async start(): Promise<Served> {
    const kube = await Kube.fromKubeconfig(kubeconfigFile);
    const served = new Served(kube, `e2e-${randomBytes(3).toString('hex')}.quorate.dev`);
    await Promise.all(Object.values(definitions()).map((d) => served.#serve(d)));
    return served;
  }

  async stop(): Promise<void> {
    await Promise.all(
      Object.values(definitions()).map((d) =>
        this.kube.call('DELETE', `${CRDS}/${d.spec.names.plural}.${this.group}`, { body: {} }),
      ),
    );
    await this.kube.close();
  }

  async #serve(d: CustomResourceDefinition): Promise<void> {
    const { plural } = d.spec.names;
    const names = { ...d.spec.names, shortNames: [], categories: [] };
    const metadata = { name: `${plural}.${this.group}` };
    await this.kube.call('POST', CRDS, { body: { ...d, metadata, spec: { ...d.spec, group: this.group, names } } });
    await until(`${plural} are served`, {
      within: 30_000,
      read: async () => (await this.send('GET', this.path(plural))).status,
      holds: (status) => status === 200,
    });
  }

  path(plural: string, rest = ''): string {
    return `/apis/${this.group}/v1alpha1/namespaces/${NAMESPACE}/${plural}${rest}`;
  }

  /** Asks with strict validation, as kubectl does, and keeps nothing. */
  judge(plural: string, name: string, spec: unknown): Promise<Answer> {
    return this.send('POST', `${this.path(plural)}?dryRun=All&fieldValidation=Strict`, this.object(plural, name, spec));
  }

  /** Would an object with the spec `from` and this status be allowed to become `to`? */
  async judgeChange(plural: string, from: object, to: object, status?: object): Promise<Answer> {
    const name = await this.keep(plural, from);
    const path = this.path(plural, `/${name}`);
    if (status !== undefined) {
      const { object } = await this.send('GET', path);
      const marked = await this.send('PUT', `${path}/status`, { ...object, status });
      if (marked.status !== 200) throw new Error(`its status is refused: ${marked.message}`);
    }
    const { object } = await this.send('GET', path);
    return this.send('PUT', `${path}?dryRun=All&fieldValidation=Strict`, { ...object, spec: to });
  }

  /** Creates an object and returns its name; it goes with its CRD. */
  async keep(plural: string, spec: object): Promise<string> {
    const name = `a${randomBytes(4).toString('hex')}`;
    const { status, message } = await this.send('POST', this.path(plural), this.object(plural, name, spec));
    if (status !== 201) throw new Error(`it cannot be created: ${message}`);
    return name;
  }

  object(plural: string, name: string, spec: unknown): object {
    const { kind } = definitionOf(plural).spec.names;
    return { apiVersion: `${this.group}/v1alpha1`, kind, metadata: { name }, spec };
  }

  async send(method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<Answer> {
    try {
      const object = await this.kube.call<NonNullable<Answer['object']>>(
        method,
        path,
        body === undefined ? {} : { body },
      );
      return { status: method === 'POST' ? 201 : 200, message: '', object };
    } catch (error) {
      if (error instanceof ApiError) return { status: error.status, message: error.message };
      throw error;
    }
  }
}
