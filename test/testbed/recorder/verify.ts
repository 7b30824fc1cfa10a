// SPDX-License-Identifier: Apache-2.0
// The recorder's last act: reads everything back, compares the members' hashes, and judges.

import { setTimeout as delay } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { problemsOf, type StoredKey } from './history.ts';
import { call, type MemberChannel, requireLeader } from './members.ts';
import type { MemberHash, Verdict } from './protocol.ts';
import type { Recorder } from './recorder.ts';
import { prefixEnd } from './watcher.ts';

const callTimeoutMs = 5000;
const page = 2000;

interface RangeReply {
  header: { revision: string };
  kvs: { key: Buffer; value: Buffer; create_revision: string; mod_revision: string }[];
  more: boolean;
}

/** Retries what fails until `timeoutMs` milliseconds are over; what cannot be read by then is a problem itself. */
export async function verify(recorder: Recorder, timeoutMs: number): Promise<Verdict> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt(recorder, deadline);
    } catch (error) {
      if (performance.now() > deadline) {
        const reason = error instanceof Error ? error.message : String(error);
        return {
          ...recorder.counts(),
          problems: [`not verified within ${timeoutMs} ms: ${reason}`],
          verifiedAt: '0',
          hashes: [],
        };
      }
    }
    await delay(200);
  }
}

async function attempt(recorder: Recorder, deadline: number): Promise<Verdict> {
  const members = recorder.members.list();
  const first = members[0];
  if (!first) throw new Error('no member pod has an address');
  const { stored, revision } = await readAll(await reachable(members), recorder.prefix);
  const hashes = await Promise.all(members.map((member) => hash(member, revision)));
  const compacted = new Set(hashes.map(({ compactRevision }) => compactRevision));
  if (compacted.size > 1) throw new Error(`members are compacted at different revisions: ${[...compacted].join(', ')}`);
  await membersMatch(members);
  while (!recorder.watcher.gap && recorder.watcher.seen.length < stored.length && performance.now() < deadline) {
    await delay(50);
  }
  const { attempted, acks, watcher } = recorder;
  const problems = problemsOf({ attempted, acks, stored, seen: watcher.seen, watchGap: watcher.gap });
  if (new Set(hashes.map(({ hash: value }) => value)).size > 1) {
    problems.push(`members differ at revision ${revision}: ${hashes.map((h) => `${h.member} ${h.hash}`).join(', ')}`);
  }
  return { ...recorder.counts(), problems, verifiedAt: String(revision), hashes };
}

async function reachable(members: MemberChannel[]): Promise<MemberChannel> {
  let last: unknown;
  for (const member of members) {
    try {
      await call(member.maintenance, 'Status', {}, requireLeader, callTimeoutMs);
      return member;
    } catch (error) {
      last = error;
    }
  }
  throw last instanceof Error ? last : new Error('no member answers');
}

/** All keys under the prefix by linearizable reads at one revision. */
async function readAll(member: MemberChannel, prefix: string): Promise<{ stored: StoredKey[]; revision: bigint }> {
  const stored: StoredKey[] = [];
  let revision = 0n;
  let from: Buffer = Buffer.from(prefix);
  for (;;) {
    const message = { key: from, range_end: prefixEnd(prefix), limit: String(page), revision: String(revision) };
    const reply = await call<RangeReply>(member.kv, 'Range', message, requireLeader, callTimeoutMs);
    if (revision === 0n) revision = BigInt(reply.header.revision);
    for (const { key, value, create_revision, mod_revision } of reply.kvs) {
      stored.push({
        key: key.toString(),
        value: value.toString(),
        createRevision: BigInt(create_revision),
        modRevision: BigInt(mod_revision),
      });
    }
    const last = reply.kvs.at(-1);
    if (!reply.more || !last) return { stored, revision };
    from = Buffer.concat([last.key, Buffer.from([0])]);
  }
}

async function hash(member: MemberChannel, revision: bigint): Promise<MemberHash> {
  const reply = await call<{ hash: number; compact_revision: string }>(
    member.maintenance,
    'HashKV',
    { revision: String(revision) },
    new Metadata(),
    callTimeoutMs,
  );
  return { member: member.name, hash: reply.hash, compactRevision: reply.compact_revision };
}

/** Every member on etcd's own list must have been asked, and nobody else. */
async function membersMatch(members: MemberChannel[]): Promise<void> {
  const member = await reachable(members);
  const reply = await call<{ members: { name: string }[] }>(
    member.cluster,
    'MemberList',
    { linearizable: true },
    requireLeader,
    callTimeoutMs,
  );
  const listed = reply.members.map(({ name }) => name).toSorted();
  const asked = members.map(({ name }) => name).toSorted();
  if (listed.join() !== asked.join())
    throw new Error(`etcd lists the members ${listed.join()}, there are the pods ${asked.join()}`);
}
