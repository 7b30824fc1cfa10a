// SPDX-License-Identifier: Apache-2.0
// Faults of volumes: full, read-only, failing, frozen, emptied, and slow or refused mounts.
import { NODES } from '../config.ts';
import { findContainer, shell } from '../docker.ts';
import { kubectlJson, kubectlResult } from '../kubectl.ts';
import { until } from '../run.ts';
import { type Fault, faultOf } from './network.ts';
import type { PodRef } from './pods.ts';

export interface ClaimRef {
  readonly namespace: string;
  readonly name: string;
}

interface Mounted {
  readonly node: string;
  /** Where the pod's mount is, in the node. */
  readonly target: string;
  readonly volume: string;
}

export async function volumeOf(claim: ClaimRef): Promise<string> {
  const { spec } = await kubectlJson<{ spec: { volumeName?: string } }>(
    '-n',
    claim.namespace,
    'get',
    'persistentvolumeclaim',
    claim.name,
  );
  if (spec.volumeName === undefined) throw new Error(`claim ${claim.namespace}/${claim.name} has no volume yet`);
  return spec.volumeName;
}

async function isRunning(node: string): Promise<boolean> {
  const state = (await findContainer(node))?.info.State;
  return state?.Running === true && !state.Paused;
}

/** Where a volume is mounted for a pod, on whichever running node. */
async function findMount(volume: string): Promise<Mounted | undefined> {
  const pattern = `/volumes/kubernetes.io~csi/${volume}/mount`;
  const found = await Promise.all(
    NODES.map(async ({ name: node }) => {
      if (!(await isRunning(node))) return undefined;
      const { stdout } = await shell(node, `awk '{print $5}' /proc/self/mountinfo | grep -F '${pattern}'`, {
        allowFailure: true,
      });
      const [target] = stdout.trim().split('\n');
      return target === undefined || target === '' ? undefined : { node, target, volume };
    }),
  );
  return found.find((mount) => mount !== undefined);
}

async function mountOf(claim: ClaimRef): Promise<Mounted> {
  const mount = await findMount(await volumeOf(claim));
  if (mount === undefined) throw new Error(`claim ${claim.namespace}/${claim.name} is mounted nowhere`);
  return mount;
}

const FILL = '.testbed-fill';

/** Takes all free space of a claim's volume but `leaveBytes` (default 0): writers get a real ENOSPC (less than 64 KiB stay). */
export async function fillVolume(claim: ClaimRef, o: { leaveBytes?: number } = {}): Promise<Fault> {
  const { node, target } = await mountOf(claim);
  const leave = o.leaveBytes ?? 0;
  // The bulk is reserved without writing it; the rest is written until nothing fits.
  await shell(
    node,
    `cd '${target}' && free=$(df -B1 --output=avail . | tail -n 1) && bulk=$((free - ${leave} - 8388608))
     [ $bulk -gt 0 ] && fallocate -l $bulk ${FILL}
     for n in $([ ${leave} -eq 0 ] && echo 1 2 3); do dd if=/dev/zero of=${FILL}-$n bs=4k 2>/dev/null; sync -f .; done
     true`,
  );
  return faultOf(() => freeVolume(claim));
}

/** Gives the space back that fillVolume took. */
export async function freeVolume(claim: ClaimRef): Promise<void> {
  const { node, target } = await mountOf(claim);
  await shell(node, `rm -f '${target}'/${FILL} '${target}'/${FILL}-[123]`);
}

/** Free bytes of a claim's volume. */
export async function freeBytes(claim: ClaimRef): Promise<number> {
  const { node, target } = await mountOf(claim);
  return Number((await shell(node, `df -B1 --output=avail '${target}' | tail -n 1`)).stdout.trim());
}

/** Ends what has files open below a mount: a filesystem with writers cannot become read-only. */
const endUsers = (target: string): string =>
  `device=$(stat -c %d '${target}')
   for fd in /proc/[0-9]*/fd/*; do
     [ "$(stat -L -c %d "$fd" 2>/dev/null)" = "$device" ] && echo "$fd" | cut -d / -f 3
   done | sort -u | xargs -r kill -KILL 2>/dev/null`;

/**
 * Makes a mounted volume fail:
 * - `readonly`: writes get EROFS. Whatever had files open is killed, as the kernel refuses it otherwise.
 * - `io-error`: every access gets EIO, as after the loss of the disk. Healing it restarts the claim's pod.
 * - `frozen`: writes hang until it is healed.
 */
export async function failVolume(claim: ClaimRef, mode: 'readonly' | 'io-error' | 'frozen'): Promise<Fault> {
  const mount = await mountOf(claim);
  const { node, target } = mount;
  if (mode === 'readonly') {
    await until('a read-only mount', async () => {
      await shell(node, endUsers(target), { allowFailure: true });
      await shell(node, `mount -o remount,ro $(findmnt -n -o SOURCE '${target}') '${target}'`);
      return true;
    });
    return faultOf(async () => {
      await shell(node, `mount -o remount,rw $(findmnt -n -o SOURCE '${target}') '${target}'`);
    });
  }
  if (mode === 'frozen') {
    await shell(node, `fsfreeze --freeze '${target}'`);
    return faultOf(async () => {
      await shell(node, `fsfreeze --unfreeze '${target}'`);
    });
  }
  await shell(node, `xfs_io -x -c shutdown '${target}'`);
  return faultOf(() => replug(mount));
}

/** The pod that a mount belongs to, if it is still there. */
async function podOf(target: string): Promise<PodRef | undefined> {
  const uid = /\/pods\/([^/]+)\//.exec(target)?.[1];
  const { items } = await kubectlJson<{ items: { metadata: PodRef & { uid: string } }[] }>('get', 'pods', '-A');
  return items.find((item) => item.metadata.uid === uid)?.metadata;
}

/** Takes a dead filesystem out of its node, so that the next mount is a new one. */
async function replug({ node, target, volume }: Mounted): Promise<void> {
  const held = await disturbVolume(volume, { NodePublishVolume: { error: 'the disk is being replaced' } });
  const pod = await podOf(target);
  if (pod !== undefined) {
    const args = ['-n', pod.namespace, 'delete', 'pod', pod.name, '--grace-period=1', '--wait=false'];
    await kubectlResult(args, { allowFailure: true });
  }
  const image = `/disks/${volume}.img`;
  await until(`the end of the mounts of ${volume}`, async () => {
    await shell(
      node,
      `! grep -qF '${target}' /proc/self/mountinfo || exit 1
       device=$(losetup -n -O NAME -j ${image})
       [ -z "$device" ] || findmnt -n -o TARGET -S "$device" | xargs -r umount
       [ -z "$(losetup -n -O NAME -j ${image})" ]`,
    );
    return true;
  });
  await held.heal();
}

export interface MountFault {
  /** Milliseconds before the call is worked on; the kubelet waits up to two minutes. */
  readonly delayMs?: number;
  /** The call fails with this text. */
  readonly error?: string;
}
export type DriverMethod =
  | 'CreateVolume'
  | 'DeleteVolume'
  | 'ControllerExpandVolume'
  | 'NodeStageVolume'
  | 'NodePublishVolume'
  | 'NodeExpandVolume';

/** Delays or fails calls of the storage driver for one volume, or for `all`. */
export async function disturbVolume(volume: string, faults: Partial<Record<DriverMethod, MountFault>>): Promise<Fault> {
  const text = JSON.stringify(faults).replaceAll("'", String.raw`'\''`);
  const file = `/disks/faults/${volume}.json`;
  await shell('control-plane', `mkdir -p /disks/faults && printf %s '${text}' > ${file}.new && mv ${file}.new ${file}`);
  return faultOf(async () => {
    await shell('control-plane', `rm -f ${file}`);
  });
}

/** Forgets all disturbances of the storage driver. */
export async function healDriver(): Promise<void> {
  await shell('control-plane', 'rm -rf /disks/faults');
}

/**
 * Deletes all files of a claim's volume below `folder` (default: everything), mounted or not. A process that runs
 * keeps its open files until it ends.
 */
export async function emptyVolume(claim: ClaimRef, folder = '.'): Promise<void> {
  const volume = await volumeOf(claim);
  const mount = await findMount(volume);
  const wipe = (at: string) => `find '${at}/${folder}' -mindepth 1 -delete`;
  if (mount !== undefined) {
    await shell(mount.node, wipe(mount.target));
    return;
  }
  const at = `/tmp/${volume}`;
  await until(`a mount of ${volume}`, async () => {
    await shell(
      'node1',
      `[ -z "$(losetup -n -O NAME -j /disks/${volume}.img)" ] && mkdir -p ${at} && mount -o loop /disks/${volume}.img ${at}`,
    );
    return true;
  });
  await shell('node1', `${wipe(at)}; umount ${at}`);
}

interface PodWithClaims {
  spec: { volumes?: { persistentVolumeClaim?: { claimName: string } }[] };
}

/** Empties every claim that a pod mounts: what the loss of its disk leaves. */
export async function emptyDataDirectory(pod: PodRef): Promise<void> {
  const { spec } = await kubectlJson<PodWithClaims>('-n', pod.namespace, 'get', 'pod', pod.name);
  for (const volume of spec.volumes ?? []) {
    const name = volume.persistentVolumeClaim?.claimName;
    if (name !== undefined) await emptyVolume({ namespace: pod.namespace, name });
  }
}
