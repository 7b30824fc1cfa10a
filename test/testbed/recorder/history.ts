// SPDX-License-Identifier: Apache-2.0
// What a recording client did and saw, and the check of it against what the cluster holds in the end.

/** One acknowledged write; times in milliseconds of one monotonic clock. */
export interface Ack {
  key: string;
  value: string;
  revision: bigint;
  startedAt: number;
  endedAt: number;
}

export interface StoredKey {
  key: string;
  value: string;
  createRevision: bigint;
  modRevision: bigint;
}

export interface SeenEvent {
  key: string;
  type: 'PUT' | 'DELETE';
  revision: bigint;
}

export interface History {
  /** Every key that was ever sent, acknowledged or not. */
  attempted: ReadonlySet<string>;
  acks: readonly Ack[];
  /** All keys under the recorder's prefix, by one linearizable read. */
  stored: readonly StoredKey[];
  seen: readonly SeenEvent[];
  /** A compaction overtook the watcher: events may be missing. */
  watchGap: boolean;
}

const shown = 5;

/** Sentences on everything that a correct cluster could not have done; pure. */
export function problemsOf(history: History): string[] {
  return [...storeProblems(history), ...orderProblems(history.acks), ...watchProblems(history)];
}

/** What is missing, changed, applied twice or nobody's, by key; to be asked alone where members cannot be compared. */
export function storeProblems({ acks, stored, attempted }: Pick<History, 'acks' | 'stored' | 'attempted'>): string[] {
  const byKey = new Map(stored.map((entry) => [entry.key, entry]));
  const missing = acks.filter(({ key }) => !byKey.has(key)).map(({ key, revision }) => `${key} (revision ${revision})`);
  const changed = acks
    .filter(({ key, value, revision }) => {
      const found = byKey.get(key);
      return found && (found.value !== value || found.modRevision !== revision);
    })
    .map(({ key, revision }) => `${key}: acknowledged at ${revision}, stored at ${byKey.get(key)?.modRevision}`);
  const twice = stored.filter((entry) => entry.createRevision !== entry.modRevision).map(({ key }) => key);
  const foreign = stored.filter(({ key }) => !attempted.has(key)).map(({ key }) => key);
  return [
    ...group(missing, `of ${acks.length} acknowledged writes are missing`),
    ...group(changed, 'acknowledged writes are stored otherwise'),
    ...group(twice, 'keys were written twice'),
    ...group(foreign, 'keys were never written by this client'),
  ];
}

/** A write that began after another was acknowledged must have the higher revision. */
function orderProblems(acks: readonly Ack[]): string[] {
  const ended = acks.toSorted((a, b) => a.endedAt - b.endedAt);
  const wrong: string[] = [];
  let next = 0;
  let highest: Ack | undefined;
  for (const ack of acks.toSorted((a, b) => a.startedAt - b.startedAt)) {
    for (let past = ended[next]; past && past.endedAt < ack.startedAt; past = ended[next]) {
      if (!highest || past.revision > highest.revision) highest = past;
      next += 1;
    }
    if (highest && ack.revision <= highest.revision) {
      wrong.push(`${ack.key} at ${ack.revision} began after ${highest.key} at ${highest.revision} was acknowledged`);
    }
  }
  return group(wrong, 'writes went back in revision');
}

function watchProblems({ seen, stored, watchGap }: History): string[] {
  const unordered: string[] = [];
  let last: SeenEvent | undefined;
  for (const event of seen) {
    if (last && event.revision <= last.revision)
      unordered.push(`${event.key} at ${event.revision} after ${last.revision}`);
    last = event;
  }
  const revisions = new Map(seen.filter(({ type }) => type === 'PUT').map(({ key, revision }) => [key, revision]));
  const kept = new Map(stored.map(({ key, modRevision }) => [key, modRevision]));
  const unseen = watchGap
    ? []
    : stored.filter(({ key, modRevision }) => revisions.get(key) !== modRevision).map(({ key }) => key);
  const ghosts = seen
    .filter(({ key, type, revision }) => type === 'DELETE' || kept.get(key) !== revision)
    .map(({ key }) => key);
  return [
    ...group(unordered, 'watch events came out of order'),
    ...group(unseen, 'stored keys were not seen by the watcher'),
    ...group(ghosts, 'events were seen of writes that are not stored'),
  ];
}

function group(cases: string[], what: string): string[] {
  if (cases.length === 0) return [];
  const more = cases.length > shown ? `, and ${cases.length - shown} more` : '';
  return [`${cases.length} ${what}: ${cases.slice(0, shown).join(', ')}${more}`];
}
