// SPDX-License-Identifier: Apache-2.0
// Tests of the Job of a backup: what its pod may not do, and what it is told.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { effectiveSpec } from '../../api/effective.ts';
import { backup, cluster } from '../fixtures.ts';
import { jobConfigSchema } from '../jobconfig.ts';
import { attemptOf, BACKUP_ANNOTATIONS, jobName } from '../marks.ts';
import { JOB_COMMAND, JOB_ENV, renderJob } from './job.ts';

function render(attempt = 1, o: { pods?: object; image?: string } = {}) {
  const store = {
    s3: {
      bucket: 'backups',
      endpoint: 'https://s3.example.com',
      credentialsSecret: { name: 's3' },
      caSecret: { name: 'ca' },
    },
  };
  const base = cluster({ backup: { store }, status: { members: [{ name: 'orders-0' }, { name: 'orders-1' }] } });
  const subject = { ...base, spec: { ...base.spec, ...(o.pods === undefined ? {} : { pods: o.pods }) } };
  const spec = effectiveSpec(subject);
  if (!spec.ok || spec.spec.backup === undefined) throw new Error('the spec is refused');
  const settings = { image: o.image ?? 'quorate:1', egress: { allow: [], refuse: ['10.96.0.1'] } };
  return renderJob({
    backup: backup(),
    cluster: subject,
    spec: spec.spec,
    policy: spec.spec.backup,
    attempt,
    settings,
  });
}

describe('the Job of a backup', () => {
  const job = render();
  const pod = job.spec?.template.spec;
  it('runs once, in a pod without rights', () => {
    expect(job.spec).toMatchObject({ backoffLimit: 0 });
    expect(job.spec?.ttlSecondsAfterFinished).toBeUndefined();
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(pod?.serviceAccountName).toBeUndefined();
    expect(pod?.containers[0]).toMatchObject({
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
      resources: { limits: { memory: '256Mi' } },
    });
  });
  it('belongs to its backup', () => {
    expect(job.metadata.ownerReferences).toMatchObject([{ kind: 'EtcdBackup', name: 'orders-now', controller: true }]);
  });
  it('is told by a configuration that it can read, without secrets', () => {
    const text = job.spec?.template.metadata?.annotations?.[BACKUP_ANNOTATIONS.job] ?? '';
    const config = jobConfigSchema.parse(JSON.parse(text));
    expect(config.members).toEqual([
      { name: 'orders-0', host: 'orders-0.shop.svc', serverName: 'orders-0.shop.svc' },
      { name: 'orders-1', host: 'orders-1.shop.svc', serverName: 'orders-1.shop.svc' },
    ]);
    expect(config.egress).toEqual({ allow: [], refuse: ['10.96.0.1'] });
  });
  it('mounts the known keys of Secrets and nothing else', () => {
    const mounted = JSON.stringify(pod?.volumes);
    expect(mounted).toContain('"secretName":"orders-tls-backup"');
    expect(
      pod?.volumes?.every(
        (v) => v.secret?.items !== undefined || v.projected !== undefined || v.downwardAPI !== undefined,
      ),
    ).toBe(true);
    const [container] = pod?.containers ?? [];
    expect(container?.env).toEqual(Object.entries(JOB_ENV).map(([name, value]) => ({ name, value })));
    expect(container).not.toHaveProperty('envFrom');
  });
  it('starts the program where the image has it', () => {
    const dockerfile = readFileSync(new URL('../../../Dockerfile', import.meta.url), 'utf8');
    const entry = JSON.parse(
      /ENTRYPOINT (\[[^\]]*\])/.exec(dockerfile)?.[1]?.replaceAll('\\\n', '') ?? '[]',
    ) as string[];
    expect(JOB_COMMAND.at(-1)).toBe(entry.at(-1));
    expect(JOB_COMMAND[0]).toBe(entry[0]);
  });
  it('tells by its mark whether another one would be made by now, whichever attempt it is', () => {
    const mark = (j: ReturnType<typeof render>) => j.metadata.annotations?.[BACKUP_ANNOTATIONS.template];
    expect(mark(job)).toMatch(/^[0-9a-f]{16}$/);
    expect(mark(render(2))).toBe(mark(job));
    expect(mark(render(1, { pods: { nodeSelector: { disk: 'ssd' } } }))).not.toBe(mark(job));
    expect(mark(render(1, { image: 'quorate:2' }))).not.toBe(mark(job));
  });
  it('is named by backup, UID and attempt', () => {
    expect(job.metadata.name).toBe('orders-now-0f9e8d7c-1');
  });
  it.each([1, 12, 99])('tells its attempt by its name, and its pod too: %d', (attempt) => {
    const long = jobName({ name: `a.${'b'.repeat(250)}`, uid: '0f9e8d7c-1111' }, attempt);
    expect(long.length).toBeLessThanOrEqual(63);
    expect(attemptOf(long)).toBe(attempt);
    const text = render(attempt).spec?.template.metadata?.annotations?.[BACKUP_ANNOTATIONS.job] ?? '';
    expect(jobConfigSchema.parse(JSON.parse(text)).attempt).toBe(attempt);
  });
  it('runs where the members may, with the Secrets that their image needs', () => {
    const tolerations = [{ key: 'etcd', operator: 'Exists' }];
    const placed = render(1, { pods: { nodeSelector: { disk: 'ssd' }, tolerations } }).spec?.template.spec;
    expect(placed).toMatchObject({ nodeSelector: { disk: 'ssd' }, tolerations });
    expect(pod).not.toHaveProperty('nodeSelector');
    expect(pod).not.toHaveProperty('tolerations');
  });
});
