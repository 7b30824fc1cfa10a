// SPDX-License-Identifier: Apache-2.0
// Writes that need care: several of them, and making without taking over.
import type { KubeClient } from './client.ts';
import { KubeError } from './errors.ts';
import type { KubeObject } from './json.ts';
import type { Resource } from './resources.ts';

/** Requests of one step in flight; each further one would open a connection, which costs more than it saves. */
const AT_ONCE = 8;

/**
 * Does all of it, `atOnce` at a time and begun in its order, and answers in any order; then throws the failure of
 * the first that failed, in the order of the work: a sibling must neither be left out nor go on unseen behind a rejected
 * step, and the same trouble has to read the same.
 */
export async function all<T>(work: readonly (() => Promise<T>)[], atOnce = AT_ONCE): Promise<T[]> {
  const left = [...work.entries()];
  const answers: T[] = [];
  const failures = new Map<number, unknown>();
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [place, begin] = next;
      await begin().then(
        (answer) => void answers.push(answer),
        (e: unknown) => void failures.set(place, e),
      );
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failures.size > 0) throw failures.get(Math.min(...failures.keys()));
  return answers;
}

/**
 * POST, which never takes anything over. If the name is taken, or our own earlier POST had arrived after all, the object
 * that is there is returned as it is: whose it is, is for the caller to judge.
 */
export async function create<T extends KubeObject>(
  { client }: { readonly client: KubeClient },
  r: Resource<T>,
  object: T,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await client.create(r, object, { signal });
  } catch (e) {
    if (!(e instanceof KubeError && e.code === 'AlreadyExists')) throw e;
    return await client.get(r, object.metadata, { signal });
  }
}
