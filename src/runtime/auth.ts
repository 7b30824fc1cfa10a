// SPDX-License-Identifier: Apache-2.0
// Where the API server is and how we prove who we are: kubeconfig or the pod's own account, by client-node's KubeConfig.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { KubeConfig } from '@kubernetes/client-node';

export interface KubeAuth {
  readonly server: string;
  readonly tls: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;
  /** Headers of one request; the pod's token is read again once a minute. */
  headers(): Promise<Record<string, string>>;
}

/** The kubelet renews a pod's token in place. */
const TOKEN_AGE_MS = 60_000;

/** In a pod its own account, else the current context of the kubeconfig. Throws when there is neither. */
export function loadAuth(): KubeAuth {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (cluster === null) throw new Error('no cluster: run in a pod, or give a kubeconfig with a current context');
  const ca = material(cluster.caData, cluster.caFile);
  const cert = material(user?.certData, user?.certFile);
  const key = material(user?.keyData, user?.keyFile);
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(cluster.tlsServerName === undefined ? {} : { servername: cluster.tlsServerName }),
    ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
  };
  return { server: cluster.server.replace(/\/$/, ''), tls, headers: tokenHeaders(user) };
}

/** Inline data wins over a file, as everywhere in a kubeconfig. */
function material(data: string | undefined, file: string | undefined): Buffer | undefined {
  if (data !== undefined) return Buffer.from(data, 'base64');
  return file === undefined ? undefined : readFileSync(file);
}

function tokenHeaders(user: ReturnType<KubeConfig['getCurrentUser']>): KubeAuth['headers'] {
  const file = (user?.authProvider as { config?: { tokenFile?: string } } | undefined)?.config?.tokenFile;
  if (file === undefined) {
    const fixed = user?.token === undefined ? {} : { authorization: `Bearer ${user.token}` };
    return () => Promise.resolve(fixed as Record<string, string>);
  }
  let known: { token: string; at: number } | undefined;
  return async () => {
    if (known === undefined || performance.now() - known.at > TOKEN_AGE_MS) {
      known = { token: (await readFile(file, 'utf8')).trim(), at: performance.now() };
    }
    return { authorization: `Bearer ${known.token}` };
  };
}
