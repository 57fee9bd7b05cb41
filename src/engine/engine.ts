// What every generation of Neo4j's backup tool is to us: a command line, and a reading of what it said.
import type { RunReason } from '../api/reasons.ts';

export type BackupType = 'Full' | 'Incremental';

export interface Command {
  readonly type: BackupType;
  readonly host: string;
  readonly port: number;
  /** Folder that will hold the backup: parent and name. For a full backup it does not exist yet. */
  readonly parent: string;
  readonly name: string;
  /** Folder for the report of the consistency check. */
  readonly reports: string;
  /** Which types are to be checked. Both are told: what begins as an increment may end as a full backup (generation A). */
  readonly check: Readonly<Record<BackupType, boolean>>;
}

/** How the tool ended. */
export interface Ended {
  readonly exitCode: number;
  /** What it printed on both streams, head and tail, bounded. */
  readonly output: string;
}

/**
 * What the output means. `check` is what the consistency check objected to, if it ran at all. `taken` says only that the tool believes so: whether there is a backup is for the artifact to show.
 * `pruned`: the server no longer has the logical logs that an increment needs. `fellBack`: so it was, and the tool took a
 * full backup in the place of the staged one.
 */
export type Verdict =
  | {
      readonly kind: 'taken';
      readonly check: 'none' | 'inconsistent' | 'failed';
      readonly fellBack?: true;
    }
  | { readonly kind: 'pruned' }
  | {
      readonly kind: 'failed';
      readonly reason: RunReason;
      readonly detail: string;
      /** The tool says the same of a server that is away: the reason holds only where one can be reached. */
      readonly ifReachable?: true;
    };

export interface Engine {
  readonly generation: string;
  /** The versions that it serves, for people. */
  readonly versions: string;
  /** The setting of the server that says on which address the backup service listens. */
  readonly listenSetting: string;
  defaultImage(version: string): string;
  /** Whether that image refuses to start until its license is accepted. We bypass its entry point, so we ask instead. */
  readonly asksForLicense: boolean;
  /** Environment of the tool. Fixed: nothing of the user's goes in. */
  readonly environment: Readonly<Record<string, string>>;
  /** Files of the tool's configuration folder, by name. */
  readonly configuration: Readonly<Record<string, string>>;
  commandLine(command: Command): readonly string[];
  /** The types that the tool can check. Of another one nothing is claimed, whatever was wished. */
  readonly checks: readonly BackupType[];
  /** Fixed strings in the output that tell pruned logs. None: the tool then takes a full backup itself. */
  readonly prunedMarks: readonly string[];
  judge(ended: Ended): Verdict;
}
