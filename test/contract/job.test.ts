// The Job of a run, as a real API server stores it: a field that it does not know would be dropped without a word.
import { randomBytes } from 'node:crypto';
import { expect, inject, test } from 'vitest';
import { buildJob } from '../../src/backup/job.ts';
import { selectEngine, servedVersions } from '../../src/engine/select.ts';
import { must } from '../../tools/run.ts';
import { aBackup, jobSettings } from '../support/builders.ts';

const engine = selectEngine('3.4.18');
if (engine === undefined) throw new Error(`3.4.18 is not served, only ${servedVersions}`);
const run = { id: 'orders-0123456789', requestedType: 'Full', triggerID: 'first' } as const;
const input = { run, engine, agentImage: 'agent:1', now: new Date(), terminalPods: ['pod-uid'] };

test.each([
  { name: 'of the smallest spec', spec: {} },
  { name: 'with all settings', spec: { job: jobSettings } },
])('the Job $name is stored whole', async ({ spec }) => {
  const namespace = `job-${randomBytes(4).toString('hex')}`;
  const kubectl = (args: readonly string[], text = ''): Promise<string> =>
    must([inject('kubectl'), '--kubeconfig', inject('kubeconfig'), ...args], { input: text });
  await kubectl(['create', 'namespace', namespace]);
  const text = JSON.stringify(buildJob(aBackup({ metadata: { namespace }, spec }), input));
  const stored: unknown = JSON.parse(
    await kubectl(['create', '--validate=strict', '-f', '-', '-o', 'json'], text),
  );
  expect(stored).toMatchObject(JSON.parse(text) as object);
});
