// Every story, cut short after each of its operations: the process is killed, or the power fails. Readers see complete backups
// only, all that were there before are as they were, and the next run heals.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { test } from 'vitest';
import { aWorld, podUID, type World } from '../support/agent.ts';
import { FakeClock, until } from '../support/fake-clock.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { concludeCampaign, enough } from './campaign.ts';
import { chosen, draw, seed } from './lots.ts';
import { killed, losses, rebuild, Recorder, type Loss, type Moment } from './power.ts';
import { begin, leftIn, play, pointsIn, staysIn, stories, wrongFor, type Story } from './stories.ts';
import type { Manifest } from '../../src/volume/manifest.ts';

interface Recorded {
  readonly story: Story;
  readonly world: World;
  /** What was there before, and stays. */
  readonly kept: readonly Manifest[];
  readonly moments: readonly Moment[];
}

/** Plays a story once, undisturbed. */
async function record(story: Story): Promise<Recorded> {
  const world = await aWorld();
  await begin(world, story);
  const before = await pointsIn(world.root);
  const recorder = new Recorder(world.volume);
  const run = story.runs(story.before + 1, { ...story.over, files: recorder.files });
  const ended = await play(world, run);
  recorder.end(ended?.code === 0 ? 'success' : 'failure');
  recorder.close();
  if (ended?.code !== 0) throw new Error(`${story.name}: ${JSON.stringify(ended?.report)}`);
  const after = await pointsIn(world.root);
  const kept = before.filter((point) => after.some((one) => isDeepStrictEqual(one, point)));
  return { story, world, kept, moments: recorder.moments };
}

interface Plan {
  readonly recorded: Recorded;
  readonly moment: Moment;
  readonly loss: Loss;
  readonly torn: boolean;
  /** Who comes next: the next run, which is told that the Pod is gone; or another attempt of the same one, which is not. */
  readonly next: 'run' | 'attempt';
}

function nameOf({ recorded, moment, loss, torn, next }: Plan): string {
  const at = recorded.moments.indexOf(moment);
  return `${recorded.story.name}, ${loss.name}${torn ? ' in the middle of' : ' after'} ${at} (${moment.after}), then another ${next}`;
}

/** @returns what did not hold */
async function playPlan(plan: Plan, place: string): Promise<readonly string[]> {
  const { recorded, moment, loss, torn, next } = plan;
  const { story, kept, moments } = recorded;
  rebuild(moment, loss, join(place, 'volume'), torn);
  const world = { ...recorded.world, volume: join(place, 'volume'), root: join(place, 'volume/orders') };
  const problems = [...(await wrongFor(world.root, kept))];
  const died = story.before + 1;
  const ofRun = async (): Promise<number> =>
    (await pointsIn(world.root)).filter(({ run }) => run === `orders-${died}`).length;
  if (moment === moments.at(-1) && (await ofRun()) !== 1) problems.push('what was told as taken is gone');

  const survivors = await staysIn(world.root, story);
  const clock = new FakeClock();
  const heal =
    next === 'run'
      ? story.runs(died + 1, { ...story.over, clock, terminalPods: [podUID(died)] })
      : story.runs(died, { ...story.over, clock, pod: 77 });
  const healed = await until(clock, play(world, heal));
  if (healed?.code !== 0) problems.push(`it does not heal: ${JSON.stringify(healed?.report)}`);
  problems.push(...(await wrongFor(world.root, survivors)).map((problem) => `healed: ${problem}`));
  if (next === 'attempt' && (await ofRun()) !== 1) problems.push('the run has no point');
  if (next === 'run') problems.push(...(await leftIn(world.root)).map((left) => `left behind: ${left}`));
  return problems;
}

function* plansOf(recordeds: readonly Recorded[], random: () => number): Generator<Plan> {
  for (const recorded of recordeds)
    for (const moment of recorded.moments) yield* plansAt(recorded, moment, random);
}

function plansAt(recorded: Recorded, moment: Moment, random: () => number): readonly Plan[] {
  const next = (): Plan['next'] => (random() < 0.7 ? 'run' : 'attempt');
  const whole = [killed, ...losses(random)].map((loss) => ({ loss, torn: false }));
  const torn = moment.written === undefined ? [] : [{ loss: killed, torn: true }];
  return [...whole, ...torn].map((how) => ({ recorded, moment, next: next(), ...how }));
}

/** The two that cover every operation. */
function isFirst({ loss, torn }: Plan): boolean {
  return !torn && ['killed', 'all lost'].includes(loss.name);
}

test('a run that is cut short harms nothing, and the next one heals', async () => {
  const random = draw(seed);
  const recordeds: Recorded[] = [];
  for (const story of stories) recordeds.push(await record(story));
  const temporary = temporaryFolder();
  const plans = chosen([...plansOf(recordeds, random)], 700, random, isFirst);
  const violations: string[] = [];
  for (const plan of plans) {
    if (violations.length >= enough) break;
    const place = mkdtempSync(join(temporary, 'plan-'));
    try {
      const problems = await playPlan(plan, place);
      if (problems.length > 0) violations.push(`seed ${seed}: ${nameOf(plan)}: ${problems.join('; ')}`);
    } finally {
      rmSync(place, { recursive: true });
    }
  }
  concludeCampaign('crash and power loss', plans.length, violations);
});
