// What a plan rests on, in sentences. Pure.
import type { Neo4jBackup } from '../backup/resources.ts';
import { selectEngine } from '../engine/select.ts';
import type { Points } from './points.ts';
import type { Runs, Timing } from './runs.ts';

/** What a note may depend on beside the resource and its runs. */
interface Grounds {
  readonly timing: Timing | undefined;
  readonly points: Points;
}

type Note = (backup: Neo4jBackup, runs: Runs, grounds: Grounds) => string | undefined;

const notes: readonly Note[] = [
  ({ spec }) =>
    spec.suspend ? 'spec.suspend is true: nothing of this starts until that is taken back.' : undefined,
  ({ spec }, _, { timing }) =>
    timing === undefined
      ? `There is no schedule: there is one run, ${spec.trigger === undefined ? 'at creation' : 'for its trigger'}, and it is not planned here.`
      : undefined,
  ({ spec }, _, { timing }) =>
    timing !== undefined && spec.trigger !== undefined
      ? 'spec.trigger starts a run when its id is new: it is not among these.'
      : undefined,
  (_, { runs }) =>
    runs.length > 0
      ? 'The destination is taken to be blank, so the first run is a full one; every run succeeds, and takes no time.'
      : undefined,
  ({ spec }) => {
    if (spec.allDatabases === true) return 'A point stands for one of each database that the server has.';
    const { databases = [] } = spec;
    return databases.length > 1
      ? `A point stands for one of each of the ${databases.length} databases.`
      : undefined;
  },
  (_, { runs, dark }) => {
    const unsure = [...runs, ...dark].filter(({ isUnsure }) => isUnsure).length;
    return unsure > 0
      ? `The spread may put ${unsure} of the moments to the other side of a blackout window's edge.`
      : undefined;
  },
  ({ spec }) =>
    selectEngine(spec.neo4j.version)?.layout === 'artifacts' && spec.consistencyCheck !== 'Never'
      ? 'While the consistency check runs it needs room for an unpacked store beside all that.'
      : undefined,
  (_, __, { points }) =>
    points.coarsest > 1
      ? `So many points stay that retention is reckoned for every ${points.coarsest} runs together: a point may go up to as many runs before.`
      : undefined,
];

export function notesOn(backup: Neo4jBackup, runs: Runs, grounds: Grounds): string[] {
  return notes.flatMap((note) => note(backup, runs, grounds) ?? []);
}
