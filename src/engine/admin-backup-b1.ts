// Generation B1: `neo4j-admin backup` of Neo4j 3.1 to 3.3. What it prints was taken from real runs: test/engine/captures.
import { adminBackupB2 } from './admin-backup-b2.ts';
import type { Command, Ended, Engine, Verdict } from './engine.ts';
import { atLeast } from './version.ts';

/** The official images of 3.1 do not have it on their PATH. */
const tool = '/var/lib/neo4j/bin/neo4j-admin';

/** 3.1 ends with 1 where 3.3 ends with 2 or 3, and tells a check that objected as one that failed, with this as the cause. */
const inconsistentMark =
  /^command failed: (Failed to do consistency check on backup: )?Inconsistencies found\. See '/m;
const checkFailedMark = /^command failed: Failed to do consistency check on backup: /m;

function commandLine(command: Command): readonly string[] {
  const [, ...options] = adminBackupB2.commandLine(command);
  return [tool, ...options];
}

function judge(ended: Ended): Verdict {
  if (ended.exitCode === 1 && inconsistentMark.test(ended.output))
    return { kind: 'taken', check: 'inconsistent' };
  if (ended.exitCode === 1 && checkFailedMark.test(ended.output)) return { kind: 'taken', check: 'failed' };
  return adminBackupB2.judge(ended);
}

/**
 * The options, and what there is to know of a failure, are those of the later versions. What differs is what the tool does
 * unless it is forbidden: where an increment fails, for whatever cause, it renames away the good backup and takes a full
 * one; with a server that is merely down nothing is left.
 */
const { causeMarks: _, settings, memory, ...later } = adminBackupB2; // this one always names the cause
const { tls: _none, ...plain } = settings; // there is no setting for it

export const adminBackupB1: Engine = {
  ...later,
  generation: 'B1',
  versions: '3.3',
  settings: plain,
  memory: { ...memory, takesPageCache: (version) => atLeast(version, 3, 2) },
  commandLine,
  judge,
};

/** The official images ask for the acceptance of their license since 3.3. */
export const adminBackupB1Unlicensed: Engine = {
  ...adminBackupB1,
  versions: '3.1, 3.2',
  asksForLicense: false,
};
