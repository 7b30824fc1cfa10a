// SPDX-License-Identifier: Apache-2.0
// The operator's flags: what is asked for, or one sentence on what is wrong with it.
import { parseArgs } from 'node:util';

export const USAGE = `usage: quorate operator [--namespaces a,b] [--lease-namespace ns] [--lease-name quorate] [--image image] [--log-level info] [--health-port 8081] [--spare-keys 10]
       quorate backup`;

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

export interface Flags {
  /** Empty: all. */
  readonly namespaces: string[];
  readonly leaseNamespace: string | undefined;
  readonly leaseName: string;
  readonly image: string | undefined;
  readonly logLevel: string;
  readonly healthPort: number;
  /** For how many new clusters RSA keys are kept ready. */
  readonly spareKeys: number;
}

/** @throws an Error whose message names the flag */
export function parseFlags(args: string[]): Flags {
  const { values } = parseArgs({
    args,
    options: {
      namespaces: { type: 'string', default: '' },
      'lease-namespace': { type: 'string' },
      'lease-name': { type: 'string', default: 'quorate' },
      image: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
      'health-port': { type: 'string', default: '8081' },
      'spare-keys': { type: 'string', default: '10' },
    },
  });
  const level = values['log-level'];
  if (!LEVELS.includes(level)) throw new Error(`--log-level=${level}: must be one of ${LEVELS.join(', ')}`);
  const port = values['health-port'];
  if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535) {
    throw new Error(`--health-port=${port}: must be a port, 1 to 65535`);
  }
  const spare = values['spare-keys'];
  if (!/^\d{1,3}$/.test(spare) || Number(spare) > 100) {
    throw new Error(`--spare-keys=${spare}: must be a number of clusters, 0 to 100`);
  }
  return {
    namespaces: values.namespaces
      .split(',')
      .map((n) => n.trim())
      .filter((n) => n !== ''),
    leaseNamespace: values['lease-namespace'],
    leaseName: values['lease-name'],
    image: values.image,
    logLevel: level,
    healthPort: Number(port),
    spareKeys: Number(spare),
  };
}
