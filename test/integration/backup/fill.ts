// SPDX-License-Identifier: Apache-2.0
// Fills an etcd with keys whose values look like those of a real one: text that compresses, with parts that do not.
import { randomBytes } from 'node:crypto';
import { connectTo, type TestEtcds } from './processes.ts';

/** Writes about `bytes` bytes of values of `valueBytes` each. */
export async function fill(etcds: TestEtcds, bytes: number, valueBytes = 65_536): Promise<void> {
  const client = await connectTo(etcds);
  const count = Math.max(1, Math.round(bytes / valueBytes));
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const i = next;
      next += 1;
      const random = randomBytes(Math.ceil(valueBytes / 3)).toString('hex');
      await client
        .put(`/registry/test/${String(i).padStart(8, '0')}`)
        .value(`{"kind":"Test","data":"${random}"}`.padEnd(valueBytes, ' ').slice(0, valueBytes));
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  client.close();
}
