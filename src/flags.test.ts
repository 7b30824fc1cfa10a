// SPDX-License-Identifier: Apache-2.0
// What the operator makes of its arguments: flags, defaults, and one sentence for what it cannot read.
import { expect, test } from 'vitest';
import { parseFlags } from './flags.ts';

test('without flags there are defaults', () => {
  expect(parseFlags([])).toEqual({
    namespaces: [],
    leaseNamespace: undefined,
    leaseName: 'quorate',
    image: undefined,
    logLevel: 'info',
    healthPort: 8081,
    spareKeys: 10,
  });
});

test('every flag is read', () => {
  const args = ['--namespaces=a, b,', '--lease-namespace=n', '--lease-name=l', '--image=i', '--log-level=warn'];
  expect(parseFlags([...args, '--health-port=65535', '--spare-keys=0'])).toEqual({
    namespaces: ['a', 'b'],
    leaseNamespace: 'n',
    leaseName: 'l',
    image: 'i',
    logLevel: 'warn',
    healthPort: 65_535,
    spareKeys: 0,
  });
});

test.each([
  ['--loud', '--loud'],
  ['--log-level=loud', '--log-level=loud: must be one of trace, debug'],
  ['--health-port=x', '--health-port=x: must be a port, 1 to 65535'],
  ['--health-port=65536', '--health-port=65536'],
  ['--health-port=0', '--health-port=0'],
  ['--spare-keys=101', '--spare-keys=101: must be a number of clusters, 0 to 100'],
  ['--spare-keys=-1', '--spare-keys'],
  ['more', 'more'],
])('%s is refused by name', (arg, message) => {
  expect(() => parseFlags([arg])).toThrow(message);
});
