// SPDX-License-Identifier: Apache-2.0
// Volumes as files: sparse XFS images in a folder that all nodes share, and what is mounted where on this node.
import { execFile } from 'node:child_process';
import { open, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Capability, RpcError } from './serve.ts';

const MiB = 1024 * 1024;
/** mkfs.xfs refuses less. */
const SMALLEST = 300 * MiB;
const execute = promisify(execFile);

/** Runs a program; its words become the error's. */
export async function run(command: string, ...args: string[]): Promise<string> {
  try {
    return (await execute(command, args)).stdout.trim();
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new RpcError('INTERNAL', `${command} ${args.join(' ')}: ${(stderr || message).trim()}`);
  }
}

const sizeOf = (file: string): Promise<number | undefined> =>
  stat(file).then(
    (info) => info.size,
    () => undefined,
  );

export function imageOf(disks: string, id: string): string {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,120}$/.test(id)) throw new RpcError('INVALID_ARGUMENT', `bad volume id "${id}"`);
  return path.join(disks, `${id}.img`);
}

export async function existing(disks: string, id: string): Promise<{ file: string; size: number }> {
  const file = imageOf(disks, id);
  const size = await sizeOf(file);
  if (size === undefined) throw new RpcError('NOT_FOUND', `no volume ${id}`);
  return { file, size };
}

type Range = { required_bytes: number; limit_bytes: number } | null;

/** Bytes for a wanted range: whole MiB, 300 MiB at least. */
export function sizeFor(range: Range): number {
  const size = Math.ceil(Math.max(range?.required_bytes ?? 0, SMALLEST) / MiB) * MiB;
  if (range !== null && range.limit_bytes > 0 && size > range.limit_bytes)
    throw new RpcError('OUT_OF_RANGE', `the smallest possible volume has ${size} bytes`);
  return size;
}

/** Makes an image of this size unless it is there; it gets its name when it is formatted, so it is never half made. */
export async function createImage(file: string, size: number, range: Range): Promise<number> {
  const have = await sizeOf(file);
  if (have !== undefined) {
    if (have < size || (range !== null && range.limit_bytes > 0 && have > range.limit_bytes))
      throw new RpcError('ALREADY_EXISTS', `${path.basename(file)} exists with ${have} bytes`);
    return have;
  }
  const making = `${file}.making`;
  await rm(making, { force: true });
  await (await open(making, 'wx', 0o600)).close();
  await truncate(making, size);
  await run('mkfs.xfs', '-q', '-K', making);
  await rename(making, file);
  return size;
}

const ONE_NODE = [
  'SINGLE_NODE_WRITER',
  'SINGLE_NODE_READER_ONLY',
  'SINGLE_NODE_SINGLE_WRITER',
  'SINGLE_NODE_MULTI_WRITER',
];

/** Why a volume cannot be used in these ways, or undefined. */
export function capabilityProblem(capabilities: readonly Capability[]): string | undefined {
  for (const { mount, access_mode } of capabilities) {
    if (!mount) return 'only mounted volumes, no block devices';
    if (!['', 'xfs'].includes(mount.fs_type)) return `fs_type ${mount.fs_type}: only xfs`;
    if (!ONE_NODE.includes(access_mode?.mode ?? '')) return `access mode ${access_mode?.mode}: only one node at a time`;
  }
  return undefined;
}

/** The device mounted at a path in this node, or undefined. */
export async function deviceAt(target: string): Promise<string | undefined> {
  let device: string | undefined;
  for (const line of (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')) {
    const fields = line.split(' ');
    if (fields[4] === target) device = fields[fields.indexOf('-') + 2];
  }
  return device;
}
