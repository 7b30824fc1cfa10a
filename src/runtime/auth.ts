// SPDX-License-Identifier: Apache-2.0
// Where the API server is and how we prove who we are: kubeconfig or the pod's own account, by client-node's KubeConfig.
import { readFile } from 'node:fs/promises';
import { type Cluster, KubeConfig, type User } from '@kubernetes/client-node';

export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface KubeAuth {
  readonly server: string;
  /** For a new connection; files are read again once a minute. */
  tls(): Promise<TlsMaterial>;
  /** Headers of one request; the pod's token is read again once a minute, and after `refused`. */
  headers(): Promise<Record<string, string>>;
  /** The server did not accept the token: read it again before the next request. */
  refused(): void;
}

/** The kubelet renews a pod's token and CA in place. */
const FILE_AGE_MS = 60_000;

/** In a pod its own account, else the current context of the kubeconfig. Throws when there is neither, or one that cannot be used. */
export function loadAuth(): KubeAuth {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (cluster === null) throw new Error('no cluster: run in a pod, or give a kubeconfig with a current context');
  const problem = unsupported(cluster, user);
  if (problem !== undefined) throw new Error(problem);
  return authOf(cluster, user);
}

/** Whatever would be ignored in silence would make us somebody else than the user meant. */
function unsupported(cluster: Cluster, user: User | null): string | undefined {
  if (cluster.proxyUrl !== undefined) return `cluster ${cluster.name} of the kubeconfig: proxy-url is not supported`;
  const name = user?.name ?? '(none)';
  const other = user?.authProvider && tokenFileOf(user) === undefined;
  if (user?.exec || other || user?.username || user?.impersonateUser)
    return `user ${name} of the kubeconfig: only a client certificate or a token is supported`;
  const certificate = (user?.certData ?? user?.certFile) && (user?.keyData ?? user?.keyFile);
  // client-node passes over the tokenFile that kubectl reads.
  if (!(certificate || user?.token || tokenFileOf(user)) && cluster.server.startsWith('https:'))
    return `user ${name} of the kubeconfig: needs a client certificate with its key, or a token (a tokenFile is not read)`;
  return undefined;
}

const tokenFileOf = (user: User | null): string | undefined =>
  (user?.authProvider as { config?: { tokenFile?: string } } | undefined)?.config?.tokenFile;

function authOf(cluster: Cluster, user: User | null): KubeAuth {
  const ca = material(cluster.caData, cluster.caFile);
  const cert = material(user?.certData, user?.certFile);
  const key = material(user?.keyData, user?.keyFile);
  const tokenFile = tokenFileOf(user);
  const token = tokenFile === undefined ? undefined : fresh(tokenFile);
  const fixed: Record<string, string> =
    user?.token === undefined ? {} : { authorization: `Bearer ${user.token.trim()}` };
  return {
    server: cluster.server.replace(/\/$/, ''),
    tls: async () => {
      const [authority, certificate, privateKey] = await Promise.all([ca?.read(), cert?.read(), key?.read()]);
      return {
        ...(authority === undefined ? {} : { ca: authority }),
        ...(certificate === undefined ? {} : { cert: certificate }),
        ...(privateKey === undefined ? {} : { key: privateKey }),
        ...(cluster.tlsServerName === undefined ? {} : { servername: cluster.tlsServerName }),
        ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
      };
    },
    headers: async () =>
      token === undefined ? fixed : { authorization: `Bearer ${(await token.read()).toString().trim()}` },
    refused: () => token?.forget(),
  };
}

interface Fresh {
  read(): Promise<Buffer>;
  forget(): void;
}

/** Inline data wins over a file, as everywhere in a kubeconfig. */
function material(data: string | undefined, file: string | undefined): Fresh | undefined {
  if (!data) return file ? fresh(file) : undefined;
  const bytes = Buffer.from(data, 'base64');
  return { read: () => Promise.resolve(bytes), forget: () => undefined };
}

function fresh(file: string): Fresh {
  let known: { bytes: Buffer; at: number } | undefined;
  return {
    read: async () => {
      if (known === undefined || performance.now() - known.at > FILE_AGE_MS) {
        known = { bytes: await readFile(file), at: performance.now() };
      }
      return known.bytes;
    },
    forget: () => {
      known = undefined;
    },
  };
}
