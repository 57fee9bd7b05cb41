import { expect, test } from 'vitest';
import { stories } from './stories.ts';
import { Trial } from './trial.ts';
import { allPlans } from './plan.ts';

test.each(stories)('$name', async (story) => {
  const begun = performance.now();
  const calm = await new Trial(story, []).tell();
  const bad: string[] = [];
  const plans = allPlans(calm.extent);
  console.log(JSON.stringify(calm.pictures.at(-1)).slice(0, 600), JSON.stringify(calm.violations));
  for (const plan of plans) {
    if (process.env.ONLY && JSON.stringify(plan) !== process.env.ONLY) continue;
    const told = await new Trial(story, [plan]).tell(calm);
    for (const v of told.violations.slice(0, 2)) bad.push(`${JSON.stringify(plan)}: ${v}`);
  }
  console.log(
    `${story.name}: ${plans.length} plans, ${bad.length} violations, ${Math.round(performance.now() - begun)} ms\n${bad.slice(0, 12).join('\n')}`,
  );
  expect(calm.violations).toEqual([]);
});
