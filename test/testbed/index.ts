// SPDX-License-Identifier: Apache-2.0
// The testbed for tests and scripts: bring it up, break it in many ways, load images, read what was done to it.
import path from 'node:path';
import { type AuditEntry, type AuditFilter, audit, auditMark } from './audit.ts';
import { bringUp, setDns, takeDown } from './cluster.ts';
import { FILES, LABEL, NODES, STATE } from './config.ts';
import { type ExecResult, exec, shell } from './docker.ts';
import { cutPods, type Fault, healNetwork, partition, slowPods } from './faults/network.ts';
import { type TestbedNode, testbedNode } from './faults/nodes.ts';
import { inPodNetwork, killProcess, locate, type PodRef, restartContainer } from './faults/pods.ts';
import {
  type ClaimRef,
  disturbVolume,
  emptyDataDirectory,
  emptyVolume,
  failVolume,
  fillVolume,
  freeBytes,
  freeVolume,
  healDriver,
  volumeOf,
} from './faults/volumes.ts';
import { type ImageFile, loadImage } from './images.ts';
import { apply, kubectl, kubectlJson, kubectlResult } from './kubectl.ts';
import { componentLog, podLogs } from './logs.ts';
import type { DnsMode } from './objects.ts';
import { type Progress, silent } from './progress.ts';
import { type ObjectStore, objectStore } from './s3.ts';

export { etcdImage } from './config.ts';
export type { DriverMethod, MountFault } from './faults/volumes.ts';
export { createProgress, type Progress, StepError } from './progress.ts';
export { until } from './run.ts';
export type {
  AuditEntry,
  AuditFilter,
  ClaimRef,
  DnsMode,
  ExecResult,
  Fault,
  ImageFile,
  ObjectStore,
  PodRef,
  TestbedNode,
};
export { LABEL, NODES, STATE };

/** Undoes every fault: nodes run, networks are whole, the storage driver works. Volumes are healed by their own. */
async function healAll(): Promise<void> {
  await Promise.all(
    NODES.map(async ({ name }) => {
      const node = testbedNode(name);
      await node.unpause().catch(() => {});
      await node.start();
      await healNetwork(name);
    }),
  );
  await healDriver();
}

export interface Testbed {
  readonly kubeconfig: string;
  /** The API server on 127.0.0.1. */
  readonly server: string;
  /** DOCKER_HOST of its engine. */
  readonly dockerHost: string;
  readonly objectStore: ObjectStore;
  /** Folder of kubectl, helm, etcdctl and etcdutl. */
  readonly bin: string;
}

const operations = {
  node: testbedNode,
  partition,
  cutPods,
  slowPods,
  fillVolume,
  freeVolume,
  freeBytes,
  failVolume,
  disturbVolume,
  volumeOf,
  emptyVolume,
  emptyDataDirectory,
  killProcess,
  restartContainer,
  locate,
  inPodNetwork,
  healNetwork,
  healAll,
  exec,
  shell,
  loadImage,
  kubectl,
  kubectlJson,
  kubectlResult,
  apply,
  audit,
  auditMark,
  podLogs,
  componentLog,
  setDns,
} as const;

export type Operations = typeof operations;

export interface TestbedOptions {
  /** Default `cached`, the harder one. */
  readonly dns?: DnsMode;
  readonly progress?: Progress;
}

/**
 * Makes sure that the testbed runs, whatever was there before, and gives access to it. Fast when it runs already.
 * @throws StepError with the step that failed and its log
 */
export async function ensureTestbed(o: TestbedOptions = {}): Promise<Testbed & Operations> {
  const { settings } = await bringUp(o.dns ?? 'cached', o.progress ?? silent);
  return {
    ...operations,
    kubeconfig: FILES.kubeconfig,
    server: `https://127.0.0.1:${settings.apiPort}`,
    dockerHost: process.env.DOCKER_HOST ?? '',
    objectStore: objectStore(settings),
    bin: path.resolve(FILES.bin),
  };
}

/** Removes everything that the testbed made on this machine, except the cache of what was built. */
export const teardown = (progress: Progress = silent): Promise<void> => takeDown(progress);
