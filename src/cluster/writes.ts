// SPDX-License-Identifier: Apache-2.0
// Deletes what was just read, and remembers whether it is gone or only about to go.
import type { KubeClient, Propagation } from '../runtime/client.ts';
import type { KubeObject } from '../runtime/json.ts';
import type { Resource } from '../runtime/resources.ts';
import type { OwnWrites } from './ownwrites.ts';

export interface WriterDeps {
  readonly client: KubeClient;
  readonly own: OwnWrites;
}

export async function remove<T extends KubeObject>(
  deps: WriterDeps,
  r: Resource<T>,
  live: T,
  signal: AbortSignal,
  propagation: Propagation = 'Background',
): Promise<void> {
  if (live.metadata.deletionTimestamp === undefined) await deps.client.delete(r, live, { propagation, signal });
  const left = await deps.client.find(r, live.metadata, { signal });
  if (left !== undefined && left.metadata.uid === live.metadata.uid) deps.own.note(r, left);
  else deps.own.noteGone(r, live);
}
