// Writes the files that are made from the code. `--check` writes nothing and fails when a committed one differs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { customResourceDefinition } from '../src/api/crd.ts';
import { group, plural } from '../src/api/names.ts';
import { chartFiles } from './chart.ts';
import { metricsPage } from './metrics-page.ts';
import { planPage } from './plan-page.ts';
import { reasonsPage } from './reasons-page.ts';

const root = dirname(import.meta.dirname);
const note = '# Generated from src/api by `npm run generate`: edit there.\n';

const generated: Readonly<Record<string, string>> = {
  'docs/reasons.md': reasonsPage(),
  'docs/metrics.md': metricsPage(readFileSync(join(root, 'docs/metrics.md'), 'utf8')),
  'docs/plan.md': planPage(readFileSync(join(root, 'docs/plan.md'), 'utf8')),
  ...chartFiles(),
  [`crds/${group}_${plural}.yaml`]:
    // Version 1.1: kubectl reads that, where an unquoted yes is a boolean.
    note +
    stringify(customResourceDefinition(), { aliasDuplicateObjects: false, lineWidth: 110, version: '1.1' }),
};

const check = process.argv.includes('--check');
const stale: string[] = [];
for (const [name, content] of Object.entries(generated)) {
  const path = join(root, name);
  if (existsSync(path) && readFileSync(path, 'utf8') === content) continue;
  if (check) {
    stale.push(name);
    continue;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  console.log(`wrote ${name}`);
}
if (stale.length > 0) {
  console.error(`not up to date: ${stale.join(', ')}. Run: npm run generate`);
  process.exitCode = 1;
}
