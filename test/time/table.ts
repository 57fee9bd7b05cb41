// Schedules as people write them, and what each of them names.
import type { Told } from './oracle.ts';

const wall = true;
const passing = false;

function told(text: string, isOfTheWall: boolean, names: Told['names']): Told {
  return { text, isOfTheWall, names };
}

export const table: readonly Told[] = [
  told('* * * * *', passing, () => true),
  told('*/15 * * * *', passing, ({ minute }) => [0, 15, 30, 45].includes(minute)),
  told('@hourly', passing, ({ minute }) => minute === 0),
  told(
    '20-50/10 0-23 * * 1-5',
    passing,
    ({ minute, weekday }) => [20, 30, 40, 50].includes(minute) && weekday > 0 && weekday < 6,
  ),
  told('30 2 * * *', wall, ({ hour, minute }) => hour === 2 && minute === 30),
  told('@daily', wall, ({ hour, minute }) => hour === 0 && minute === 0),
  told('0 */6 * * *', wall, ({ hour, minute }) => hour % 6 === 0 && minute === 0),
  told('*/7 0-3,22-23 * * *', wall, ({ hour, minute }) => minute % 7 === 0 && (hour < 4 || hour > 21)),
  told('15 1 * * SUN', wall, ({ hour, minute, weekday }) => hour === 1 && minute === 15 && weekday === 0),
  told(
    '0,30 2,3 1 JAN-MAR,oct *',
    wall,
    ({ hour, minute, date, month }) =>
      minute % 30 === 0 && (hour === 2 || hour === 3) && date === 1 && [1, 2, 3, 10].includes(month),
  ),
  told(
    '45 23 L * *',
    wall,
    ({ hour, minute, date, lastDate }) => hour === 23 && minute === 45 && date === lastDate,
  ),
  told(
    '5 1 * * 7L',
    wall,
    ({ hour, minute, weekday, date, lastDate }) =>
      hour === 1 && minute === 5 && weekday === 0 && date > lastDate - 7,
  ),
  told(
    '30 2 29 2 *',
    wall,
    ({ hour, minute, date, month }) => hour === 2 && minute === 30 && date === 29 && month === 2,
  ),
  told(
    '10-20/5 0,2 8-14 * 0',
    wall,
    ({ hour, minute, date, weekday }) =>
      [10, 15, 20].includes(minute) &&
      (hour === 0 || hour === 2) &&
      ((date >= 8 && date <= 14) || weekday === 0),
  ),
];
