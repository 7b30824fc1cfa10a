// SPDX-License-Identifier: Apache-2.0
// Looks at all members of a cluster and opens a snapshot of the one that is fit for it.
import { MemberClient } from '../../etcd/client.ts';
import { EtcdError } from '../../etcd/errors.ts';
import type { SnapshotStream } from '../../etcd/snapshotstream.ts';
import type { ClientTls, Endpoint, MemberStatus } from '../../etcd/types.ts';
import { pause } from '../../runtime/client.ts';
import { BackupError } from '../failures.ts';
import { type Choice, type NoChoice, pickMember } from './pick.ts';

const CALL_MS = 5_000;
/** A follower may need a moment to apply what was just read; a cluster, to elect a leader. */
const PATIENCE_MS = 30_000;
const LOOK_AGAIN_MS = 500;
/** Silence of the member while we wait for its bytes. */
const SILENCE_MS = 60_000;

export interface OpenSnapshot {
  readonly member: Choice;
  readonly stream: SnapshotStream;
}

export class Source {
  readonly #clients: readonly MemberClient[];

  constructor(endpoints: readonly Endpoint[], tls: ClientTls) {
    this.#clients = endpoints.map((e) => new MemberClient(e, tls));
  }

  /** Throws BackupError: `SourceUnavailable` when no member is fit within half a minute, `CorruptAlarm` at once. */
  async choose(tried: ReadonlySet<string>, signal: AbortSignal): Promise<Choice> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const outcome = await this.#look(tried, signal);
      if ('status' in outcome) return outcome;
      signal.throwIfAborted();
      const { problem, reason = 'SourceUnavailable' } = outcome;
      if (outcome.reason !== undefined || performance.now() > deadline) throw new BackupError(reason, problem);
      await pause(LOOK_AGAIN_MS, signal).catch(() => signal.throwIfAborted());
    }
  }

  async open(member: Choice, signal: AbortSignal): Promise<OpenSnapshot> {
    const client = this.#clients.find((c) => c.endpoint.name === member.name);
    if (client === undefined) throw new BackupError('SourceUnavailable', `no member ${member.name}`);
    return { member, stream: await client.snapshot({ signal, timeoutMs: SILENCE_MS }) };
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #look(tried: ReadonlySet<string>, signal: AbortSignal): Promise<Choice | NoChoice> {
    const limits = { signal, timeoutMs: CALL_MS };
    const read = await firstOf(this.#clients.map((c) => c.read(limits)));
    if (read instanceof Error) return { problem: `no quorum answers: ${read.message}` };
    const alarms = await firstOf(this.#clients.map((c) => c.alarms(limits)));
    if (alarms instanceof Error) return { problem: `no member tells its alarms: ${alarms.message}` };
    const statuses = await Promise.all(
      this.#clients.map(async (c): Promise<MemberStatus | undefined> => c.status(limits).catch(() => undefined)),
    );
    const candidates = this.#clients.map((c, i) => ({ name: c.endpoint.name, status: statuses[i] }));
    const corrupt = new Set(alarms.filter((a) => a.type === 'CORRUPT').map((a) => a.memberId));
    return pickMember(candidates, { revision: read.revision, corrupt, tried });
  }
}

/** The first answer; if there is none, the first error. */
async function firstOf<T>(calls: readonly Promise<T>[]): Promise<T | Error> {
  try {
    return await Promise.any(calls);
  } catch (e) {
    const [first] = e instanceof AggregateError ? (e.errors as unknown[]) : [e];
    return first instanceof Error ? first : new Error(String(first));
  }
}

/** What an error of etcd means for the backup. */
export function sourceFailure(error: EtcdError): BackupError {
  const reason =
    error.code === 'DataCorrupt'
      ? 'SnapshotCorrupt'
      : error.code === 'DeadlineExceeded'
        ? 'SourceStalled'
        : 'SourceUnavailable';
  return new BackupError(reason, error.message, { cause: error });
}
