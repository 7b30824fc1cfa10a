// SPDX-License-Identifier: Apache-2.0
// etcdctl as a client of a cluster: from a place with routes to pods, with the issued certificate, members by their names.
import { pods } from '../../../src/runtime/resources.ts';
import { RECORDER } from '../../testbed/recorder/container.ts';
import type { Environment } from './environment.ts';
import { clientTls } from './oracle.ts';

/** Runs `etcdctl <args>` against all members, or those given by pod name. Returns its output; rejects if it fails. */
export async function etcdctl(
  environment: Environment,
  cluster: { namespace: string; name: string },
  args: readonly string[],
  members?: readonly string[],
): Promise<string> {
  const { namespace, name } = cluster;
  const selector = `etcd.quorate.dev/cluster=${name},app.kubernetes.io/component=member`;
  const found = (await environment.kube.list(pods, namespace, selector)).filter(
    ({ metadata, status }) => status?.podIP && (members?.includes(metadata.name) ?? true),
  );
  const tls = await clientTls(environment, namespace, name);
  const hosts = found.map(({ metadata, status }) => `${status?.podIP} ${metadata.name}.${namespace}.svc`);
  const endpoints = found.map(({ metadata }) => `https://${metadata.name}.${namespace}.svc:2379`);
  const files = Object.entries({ ca: tls.ca, cert: tls.cert, key: tls.key, hosts: `${hosts.join('\n')}\n` });
  // A mount namespace of its own gives the command a hosts file of its own.
  const script = [
    'set -e',
    'd=$(mktemp -d)',
    "trap 'rm -rf $d' EXIT",
    ...files.map(([file, text]) => `echo ${Buffer.from(text).toString('base64')} | base64 -d > $d/${file}`),
    `export ETCDCTL_ENDPOINTS=${endpoints.join(',')} ETCDCTL_CACERT=$d/ca ETCDCTL_CERT=$d/cert ETCDCTL_KEY=$d/key`,
    `unshare -m sh -c 'mount --bind "$0/hosts" /etc/hosts; exec /quorate/bin/etcdctl "$@"' $d "$@"`,
  ];
  return environment.exec(RECORDER, ['sh', '-c', script.join('\n'), 'etcdctl', ...args]);
}
