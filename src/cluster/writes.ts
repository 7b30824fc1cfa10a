// SPDX-License-Identifier: Apache-2.0
// Writes that need care: making without taking over, deleting what was just read, and several at once.
import type { DeleteOptions, KubeClient } from '../runtime/client.ts';
import { KubeError } from '../runtime/errors.ts';
import type { KubeObject } from '../runtime/json.ts';
import type { Resource } from '../runtime/resources.ts';
import type { OwnWrites } from './ownwrites.ts';

export interface WriterDeps {
  readonly client: KubeClient;
  readonly own: OwnWrites;
}

/** Requests of one step in flight; each further one would open a connection, which costs more than it saves. */
const AT_ONCE = 8;

/** Does all of it, then throws the first failure: a sibling must not go on unseen behind a rejected step. */
export async function all(work: readonly (() => Promise<void>)[]): Promise<void> {
  const left = [...work];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      await next().catch((e: unknown) => void failures.push(e));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  if (failures.length > 0) throw failures[0];
}

/**
 * POST, which never takes anything over. If the name is taken, or our own earlier POST had arrived after all, the object
 * that is there is returned as it is: remember it, and the next pass judges whose it is.
 */
export async function create<T extends KubeObject>(
  { client }: Pick<WriterDeps, 'client'>,
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

/** Deletes what was just read, and remembers whether it is gone or only about to go. */
export async function remove<T extends KubeObject>(
  deps: WriterDeps,
  r: Resource<T>,
  live: T,
  signal: AbortSignal,
  propagation: DeleteOptions['propagation'] = 'Background',
): Promise<void> {
  const ref = { namespace: live.metadata.namespace as string, name: live.metadata.name };
  if (live.metadata.deletionTimestamp === undefined) {
    await deps.client.delete(r, ref, { ...precondition(live), propagation }, { signal });
  }
  const left = await deps.client.find(r, ref, { signal });
  if (left !== undefined && left.metadata.uid === live.metadata.uid) deps.own.note(r, left);
  else deps.own.noteGone(r, live);
}

export function precondition(live: KubeObject): { uid: string; resourceVersion: string } {
  const { uid, resourceVersion } = live.metadata;
  if (uid === undefined || resourceVersion === undefined) throw new Error(`${live.metadata.name} has no UID`);
  return { uid, resourceVersion };
}
