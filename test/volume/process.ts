// One container of a run as a process of its own, so that it can be killed. What it is to do is its argument, in JSON. Of what
// its port did it tells in a file, when it lives to.
import { writeFileSync } from 'node:fs';
import { runContainer } from '../../src/agent/run.ts';
import { selectEngine } from '../../src/engine/select.ts';
import { parseRequest } from '../../src/run/request.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { readSpace } from '../../src/volume/space.ts';
import { pathsOf, portThrough, type Verb } from './port.ts';

/** What the process is told. */
export interface Told {
  readonly verb: 'prepare' | 'report';
  readonly request: string;
  readonly podUID: string;
  readonly volume: string;
  readonly exchange: string;
  readonly terminationLog: string;
  readonly operations: string;
}

/** What its port did, in order. */
export type Operations = readonly (readonly [verb: Verb, ...paths: readonly string[]])[];

const told = JSON.parse(process.argv[2] ?? '') as Told;
const request = parseRequest(told.request);
const engine = selectEngine(request.neo4jVersion);
if (engine === undefined) throw new Error('no engine');

const operations: [Verb, ...string[]][] = [];
const files = portThrough(async (verb, args, work) => {
  const result = await work();
  operations.push([verb, ...pathsOf(verb, args)]);
  return result;
});

process.exitCode = await runContainer(
  told.verb,
  {
    ...told,
    request,
    engine,
    files,
    now: () => new Date(Date.parse(request.createdTime) + 60_000),
    clock: systemClock,
    readSpace,
    refusedAs: () => undefined,
    say: () => undefined,
  },
  told.terminationLog,
);
writeFileSync(told.operations, JSON.stringify(operations));
