// SPDX-License-Identifier: Apache-2.0
// Describes the machine that the figures were taken on.
import { cpus, release, totalmem } from 'node:os';

export interface Machine {
  processors: string;
  memory: string;
  kernel: string;
}

export function machine(): Machine {
  const all = cpus();
  return {
    processors: `${all.length} × ${(all[0]?.model ?? 'unknown').trim()}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `Linux ${release()}`,
  };
}
