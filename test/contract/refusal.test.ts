// What admission of a real API server says of a Pod that it refuses, as we read it.
import { expect, inject, onTestFinished, test } from 'vitest';
import { refusalReason } from '../../src/backup/complaint.ts';
import { output, type Output } from '../../tools/run.ts';

const namespace = 'refuses';

function kubectl(args: readonly string[], input = ''): Promise<Output> {
  return output([inject('kubectl'), '--kubeconfig', inject('kubeconfig'), ...args], { input });
}

/** What the API server says of a Pod of this kind. */
async function refusalOf(spec: object, labels: Readonly<Record<string, string>>): Promise<string> {
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } },
  ];
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  onTestFinished(async () => void (await kubectl(['delete', 'namespace', namespace, '--wait=false'])));
  expect(await kubectl(['apply', '--server-side', '-f', '-'], list)).toMatchObject({ code: 0 });
  const containers = [{ name: 'main', image: 'example.com/any' }];
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'any', namespace },
    spec: { containers, ...spec },
  };
  const { stderr, code } = await kubectl(['create', '--dry-run=server', '-f', '-'], JSON.stringify(pod));
  expect(code).not.toBe(0);
  return stderr;
}

test('PodSecurityViolation: a namespace of the level restricted', async () => {
  const said = await refusalOf({ hostPID: true }, { 'pod-security.kubernetes.io/enforce': 'restricted' });
  expect(refusalReason(said)).toBe('PodSecurityViolation');
});
