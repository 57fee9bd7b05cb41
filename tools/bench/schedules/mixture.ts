// Schedules as people write them, no two alike for long: none strikes between noon and half past six in the evening of UTC.
import { aSpec } from '../../../test/support/builders.ts';

const zones = ['UTC', 'Europe/Madrid', 'America/New_York', 'Asia/Kolkata'];

/** The spec of the resource of that number. */
export function mixedSpec(i: number): Readonly<Record<string, unknown>> {
  return aSpec({ timeZone: zones[i % zones.length], ...times(i), ...kindOf(i) });
}

/** In the night and the early morning of their zones, most of them at a time of their own. */
function times(i: number): Readonly<Record<string, unknown>> {
  const [minute, hour, day] = [i % 60, Math.floor(i / 60) % 6, Math.floor(i / 360) % 7];
  return { schedule: `${minute} ${hour} * * *`, fullSchedule: `${minute} ${hour} * * ${day}` };
}

/** One thing of each fifth. */
function kindOf(i: number): Readonly<Record<string, unknown>> {
  switch (Math.floor(i / zones.length) % 5) {
    case 0:
      return { schedule: undefined };
    case 1:
      return { spread: '45m' };
    case 2:
      return { blackoutWindows: [{ schedule: '0 8 * * 1-5', duration: '3h' }] };
    case 3:
      return { startingDeadlineSeconds: 3_600, objectives: { maxDataLossSeconds: 172_800 } };
    default:
      return {};
  }
}
