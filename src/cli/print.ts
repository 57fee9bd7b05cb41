// A plan for people: a summary, and of each list its first rows. JSON has all of them.
import { cellOf, table } from '../api/table.ts';
import { inWords } from '../volume/space.ts';
import type { Plan, Report } from './report.ts';

/** Rows of a list. */
const shown = 20;
/** A day has 25 hours at most, mostly. */
const shownOfDays = 50;
const shownVerifications = 5;

export function printReport({ plans, ignored }: Report): string {
  const others = ignored.map(({ document, apiVersion, kind, name }) =>
    cellOf(`document ${document} is ignored: ${apiVersion} ${kind} ${name}`),
  );
  return [...plans.map(printPlan), ...(others.length > 0 ? [`${others.join('\n')}\n`] : [])].join('\n');
}

function printPlan(plan: Plan): string {
  const title = cellOf(`${plan.namespace}/${plan.name}, Neo4j ${plan.neo4jVersion}`);
  const parts = [
    `${title}\nfrom ${when(plan.from)} until ${when(plan.until)}, in ${plan.timeZone}\n`,
    table(
      ['', ''],
      summaryOf(plan).map(([name, text]) => [name, text]),
    ).slice(1),
    listOf('RUNS', runRows(plan.runs, plan)),
    changingRuns(plan),
    listOf('BLACKED OUT', blackoutRows(plan)),
    listOf('KEPT', keptRows(plan)),
    listOf('VERIFICATION', verificationRows(plan), shownVerifications),
    plan.notes.map((note) => `- ${note}\n`).join(''),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

/** 2026-10-25T02:30:00+01:00 as people read it. */
function when(time: string): string {
  const [, date = '', clock = '', seconds = '', offset = ''] =
    /^(.{10})T(\d\d:\d\d)(:\d\d)(?:\.\d+)?(.*)$/.exec(time) ?? [];
  const day = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][new Date(`${date}T00:00:00Z`).getUTCDay()];
  return `${day} ${date} ${clock}${seconds === ':00' ? '' : seconds} ${offset}`;
}

/** A length of time, its two largest units. */
export function lengthInWords(seconds: number): string {
  const units = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'm'],
    [1, 's'],
  ] as const;
  const parts: string[] = [];
  let left = seconds;
  for (const [size, unit] of units) {
    const whole = Math.floor(left / size);
    left -= whole * size;
    if (whole > 0) parts.push(`${whole}${unit}`);
  }
  return parts.slice(0, 2).join(' ') || '0s';
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

// --- the summary

function summaryOf(plan: Plan): readonly (readonly [string, string])[] {
  return [
    ['schedule', plan.schedule ?? 'none'],
    ['full schedule', plan.fullSchedule ?? 'none'],
    ...spreadOf(plan),
    ['runs', runsOf(plan)],
    ...plan.clockChanges.map(
      ({ time, offsetBefore, offsetAfter, runs }) =>
        [
          'clocks change',
          `${when(time)}, from ${offsetBefore} to ${offsetAfter}; ${counted(runs, 'run')} on that day`,
        ] as const,
    ),
    ['data loss', dataLossOf(plan)],
    ...objectiveOf(plan),
    ['retention', retentionOf(plan)],
    ['room', roomOf(plan)],
    ...policyOf(plan),
    ['verification', verificationOf(plan)],
  ];
}

function spreadOf({ spread }: Plan): readonly (readonly [string, string])[] {
  if (spread === undefined) return [];
  const { span, seconds } = spread;
  const text =
    seconds === undefined
      ? `each run starts up to ${span} later than is told here, always by the same part of that`
      : `${lengthInWords(seconds)} of ${span}, reckoned in`;
  return [['spread', text]];
}

function runsOf({ totals, suspended }: Plan): string {
  const { runs, full, incremental, blackedOut } = totals;
  const dark = blackedOut > 0 ? `; ${counted(blackedOut, 'moment')} blacked out` : '';
  return `${runs}: ${full} full, ${incremental} incremental${dark}${suspended ? '; SUSPENDED' : ''}`;
}

function dataLossOf({ dataLoss }: Plan): string {
  const { longest } = dataLoss;
  return longest === undefined
    ? 'unknown: there are no two runs'
    : `${lengthInWords(longest.seconds)} and what a run takes, from ${when(longest.from)} to ${when(longest.until)}`;
}

function objectiveOf({ dataLoss }: Plan): readonly (readonly [string, string])[] {
  const { maxDataLossSeconds, met, tooLong } = dataLoss;
  if (maxDataLossSeconds === undefined) return [];
  const often = tooLong.length > 0 ? `, ${counted(tooLong.length, 'time')}` : '';
  const verdict = met === undefined ? 'unknown' : met ? 'met' : `NOT MET${often}`;
  return [['objective', `${lengthInWords(maxDataLossSeconds)}: ${verdict}`]];
}

function retentionOf({ retention }: Plan): string {
  const { mode, unit, pointsTaken, pointsPruned, pointsKept, pointsCondemned, chainsStarted, chainsKept } =
    retention;
  const chains = `${chainsKept} of ${counted(chainsStarted, 'chain')}`;
  const kept =
    unit === 'Chain'
      ? `${chains} stay in the end, with ${counted(pointsKept, 'point')}`
      : `${pointsKept} of ${counted(pointsTaken, 'point')} stay in the end, of ${chains}`;
  if (mode === 'None') return `none: ${kept}`;
  return mode === 'Plan'
    ? `only planned: ${kept}; enforced, ${pointsCondemned} of them would go`
    : `${kept}; ${pointsPruned} go`;
}

function roomOf({ space, retention }: Plan): string {
  if (space === undefined) return 'nothing is taken';
  const { time, points, full, incremental, bytes } = space;
  const what =
    retention.unit === 'Point'
      ? `${points} times a full backup`
      : `${counted(full, 'full backup')} and ${counted(incremental, 'increment')}`;
  const size = bytes === undefined ? '' : `${inWords(bytes)}: `;
  return `${size}${what} at most, during the run of ${when(time)}`;
}

function policyOf({ space }: Plan): readonly (readonly [string, string])[] {
  if (space?.policyBytes === undefined) return [];
  return [['room of policy', `${inWords(space.policyBytes)} at most, when it has gone on for long enough`]];
}

function verificationOf({ verification }: Plan): string {
  if (verification === undefined) return 'none but that of each run';
  const { schedule, times } = verification;
  return `${schedule} in UTC: ${counted(times.length, 'time')}`;
}

// --- lists

interface List {
  readonly heading: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function listOf(title: string, { heading, rows }: List, most = shown): string {
  const more = rows.length > most ? `and ${rows.length - most} more\n` : '';
  return table([title, ...heading], rows.slice(0, most)) + more;
}

function runRows(runs: Plan['runs'], { spread }: Plan): List {
  return {
    heading: ['TYPE', 'PRUNED', 'POINTS', 'CHAINS', 'NOTE'],
    rows: runs.map((run) => [
      when(run.time),
      run.type,
      String(run.pruned),
      String(run.points),
      String(run.chains),
      [
        run.fullBecause === undefined || run.fullBecause === 'FullSchedule' ? '' : becauseOf[run.fullBecause],
        run.clocksChange === true ? 'clocks change' : '',
        run.unsure === true ? `within ${spread?.span ?? ''} of a blackout window` : '',
      ]
        .filter((note) => note !== '')
        .join(', '),
    ]),
  };
}

const becauseOf = {
  DestinationBlank: 'nothing to go on from',
  Owed: 'in place of one that was blacked out',
} as const;

/** Those that the first rows do not show. */
function changingRuns(plan: Plan): string {
  const later = plan.runs.slice(shown).filter(({ clocksChange }) => clocksChange === true);
  return listOf('WHEN CLOCKS CHANGE', runRows(later, plan), shownOfDays);
}

/** A row for each window. */
function blackoutRows({ blackedOut }: Plan): List {
  const windows = [...Map.groupBy(blackedOut, ({ until }) => until)];
  return {
    heading: ['WINDOW ENDS', 'MOMENTS', 'OF FULL BACKUPS'],
    rows: windows.map(([until, moments]) => [
      when(moments[0]?.time ?? until),
      when(until),
      String(moments.length),
      String(moments.filter(({ type }) => type === 'Full').length),
    ]),
  };
}

function keptRows({ retention }: Plan): List {
  const newestFirst = retention.kept.toReversed();
  return {
    heading: ['TYPE', 'CHAIN OF', 'BECAUSE'],
    rows: newestFirst.map(({ time, type, chain, because, condemned }) => [
      when(time),
      type,
      when(chain),
      condemned === true ? `WOULD GO: ${because}` : because,
    ]),
  };
}

function verificationRows({ verification }: Plan): List {
  return { heading: [], rows: (verification?.times ?? []).map((time) => [when(time)]) };
}
