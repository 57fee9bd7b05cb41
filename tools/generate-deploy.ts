// Writes deploy/. Not part of `npm run generate`, which needs nothing built: this needs Helm.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deployFiles } from './deploy.ts';
import { helmPart } from './parts.ts';
import { steps } from './steps.ts';

const helm = await helmPart(steps());
for (const [name, content] of Object.entries(await deployFiles(helm))) {
  const path = join(import.meta.dirname, '..', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  console.log(`wrote ${name}`);
}
