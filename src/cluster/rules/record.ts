// SPDX-License-Identifier: Apache-2.0
// Rule on the ConfigMap of the record: without our labels it would leave the watch.
import { childNames } from '../../api/names.ts';
import { drift } from '../drift.ts';
import type { Observed } from '../observed.ts';
import { childLabels } from '../render/children.ts';
import type { Ruling } from './rule.ts';

export function recordRule({ cluster, config, identity }: Observed): Ruling | undefined {
  if (config === undefined || identity === undefined) return undefined;
  const changed = drift({ labels: childLabels(cluster, undefined) }, { labels: config.metadata.labels });
  if (changed === undefined) return undefined;
  const message = `putting back ConfigMap ${childNames(cluster.metadata.name).config} (metadata.${changed})`;
  const replaces = config.metadata.resourceVersion;
  return {
    step: { action: 'RecordIdentity', identity, replaces, reason: 'ChildrenRestored', message, event: true },
  };
}
