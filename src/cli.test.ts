// The program as people have it: one bundle, started as a process of its own.
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from '../tools/bundle.ts';
import { planPage } from '../tools/plan-page.ts';
import { output, type Output } from '../tools/run.ts';
import { Report } from './cli/report.ts';

const page = readFileSync(join(import.meta.dirname, '../docs/plan.md'), 'utf8');
const [, yaml = ''] = /^```yaml\n([\s\S]*?)^```/m.exec(page) ?? [];

let folder: string;
let inputs: readonly string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'neo4j-backup-cli-'));
  inputs = await bundle(['cli'], folder);
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(
  args: readonly string[],
  input = '',
  env: Readonly<Record<string, string>> = {},
): Promise<Output> {
  return output([process.execPath, join(folder, 'cli.js'), ...args], { input, env });
}

const from = '--from=2026-10-22T00:00:00Z';

describe('neo4j-backup plan', () => {
  test('prints what the page shows, in whatever zone it runs', async () => {
    expect(planPage(page)).toBe(page);
    const [, command = '', text = ''] = /^```\n\$ npx neo4j-backup (.*)\n([\s\S]*?)^```/m.exec(page) ?? [];
    const file = join(folder, 'orders.yaml');
    writeFileSync(file, yaml);
    const args = command.split(' ').map((word) => (word === 'orders.yaml' ? file : word));
    for (const TZ of ['UTC', 'Pacific/Auckland'])
      expect(await run(args, '', { TZ })).toEqual({ code: 0, stdout: text, stderr: '' });
  });

  test('prints JSON for programs, of what comes in on standard input', async () => {
    const { code, stdout, stderr } = await run(['plan', '-', from, '--days=3', '--output=json'], yaml);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(Report.parse(JSON.parse(stdout)).plans[0]).toMatchObject({ name: 'orders' });
  });

  test('begins now unless it is told', async () => {
    const before = Date.now();
    const { stdout } = await run(['plan', '-', '--output=json'], yaml);
    const [plan] = Report.parse(JSON.parse(stdout)).plans;
    const began = Date.parse(plan?.from ?? '');
    expect(began).toBeGreaterThan(before - 1000);
    expect(began).toBeLessThanOrEqual(Date.now());
    expect(Date.parse(plan?.until ?? '') - began).toBe(30 * 86_400_000);
  });

  test('ends with 1 when an objective cannot be met, and prints the plan all the same', async () => {
    const strict = yaml.replace('43200', '3600');
    const { code, stdout } = await run(['plan', '-', from], strict);
    expect(code).toBe(1);
    expect(stdout).toContain('NOT MET');
  });

  test('ends with 2 when a resource is wrong, and prints no plan', async () => {
    const wrong = yaml.replace("'30 */4 * * *'", "'30 25 * * *'");
    const { code, stdout, stderr } = await run(['plan', '-', from], `${yaml}---\n${wrong}`);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^-: document 2, Neo4jBackup orders: spec.schedule is "30 25 \* \* \*": .*\n$/);
  });

  test.each([
    { args: ['plan', '/nowhere.yaml'], says: '/nowhere.yaml cannot be read: ENOENT' },
    { args: ['plan', '/tmp'], says: '/tmp cannot be read: EISDIR' },
    { args: [], says: 'a verb is missing' },
  ])('ends with 2 when it is called with $args', async ({ args, says }) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(says);
    expect(stderr).not.toContain('    at ');
  });

  test('takes no file that is larger than any of resources', async () => {
    const file = join(folder, 'large.yaml');
    writeFileSync(file, '');
    truncateSync(file, 17 * 1_048_576); // not one without an end: who breaks the limit shall not break the machine
    const { code, stderr } = await run(['plan', file]);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('more than 16777216 bytes') as string,
    });
  });

  test('answers by its exit code also to those who have read enough', async () => {
    const program = `"${process.execPath}" "${join(folder, 'cli.js')}" plan - ${from} --output=json`;
    const command = `(${program}; echo "code $?" >&2) | head -c 1`;
    const input = yaml.replace('43200', '3600').replace("'30 */4 * * *'", "'*/8 * * * *'"); // more than a pipe takes
    const { stdout, stderr } = await output(['sh', '-c', command], { input: input.replace('4h', '9h') });
    expect({ stdout, stderr }).toEqual({ stdout: '{', stderr: 'code 1\n' });
  });

  test('five thousand runs are a plan', async () => {
    const often = yaml.replace("'30 */4 * * *'", "'*/8 * * * *'").replace('keepLast: 4', 'keepLast: 50');
    const { code, stdout } = await run(['plan', '-', from, '--output=json'], often);
    expect(code).toBe(0);
    expect(Report.parse(JSON.parse(stdout)).plans[0]?.totals.runs).toBeGreaterThan(4_500);
  });
});

test('the bundle has no Kubernetes client, and nothing of the agent', () => {
  expect(inputs.length).toBeGreaterThan(20);
  expect(inputs.filter((input) => /@kubernetes|src\/(runtime|agent)\//.test(input))).toEqual([]);
});
