// The campaign finds what it is there to find.
import { expect, test } from 'vitest';
import { bugs } from './bugs.ts';
import { campaign } from './campaign.ts';
import { stories } from './stories.ts';
import { Trial, type Story } from './trial.ts';

/** Tells the story with another copy of all modules, its own and the operator's, until something does not hold. */
async function firstViolation(bug: string, storyName: string): Promise<string | undefined> {
  const healthy = named(stories, storyName);
  const calm = await new Trial(healthy, []).tell();
  expect(calm.violations).toEqual([]);
  const copyOf = (module: string): string => `${module}?bug=${bug}`;
  const sick = (await import(copyOf('./stories.ts'))) as typeof import('./stories.ts');
  const copy = (await import(copyOf('./campaign.ts'))) as typeof import('./campaign.ts');
  expect(copy.campaign).not.toBe(campaign);
  const story = named(sick.stories, storyName);
  const { violations } = await copy.campaign(story, { calm, isHasty: true });
  return violations.map(copy.describe)[0];
}

function named(all: readonly Story[], name: string): Story {
  const story = all.find((each) => each.name === name);
  if (story === undefined) throw new Error(`there is no story ${name}`);
  return story;
}

test.each(bugs)('$name comes out in: $comesOutIn', async ({ name, comesOutIn }) => {
  const violation = await firstViolation(name, comesOutIn);
  console.log(`${name}: ${violation}`);
  expect(violation).toBeDefined();
});

test('a copy without a bug tells the story as it is told', async () => {
  expect(await firstViolation('none', 'the first run')).toBeUndefined();
});
