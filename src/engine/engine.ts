// What every generation of Neo4j's backup tool is to us: command lines, and a reading of what it said.
import type { RunReason } from '../api/reasons.ts';
import type { ToolSettings } from '../run/request.ts';
import type { ToolOptions } from './options.ts';

export type BackupType = 'Full' | 'Incremental';

/** Stands for every database that the server has, where one may be asked for. */
export const allDatabases = '*';

/** The one database of a server before 4.0, under the name that its folder has. */
export const onlyDatabase = 'graph.db';

export interface Command {
  readonly type: BackupType;
  readonly host: string;
  readonly port: number;
  /** One name, or {@link allDatabases}. */
  readonly database: string;
  /** Folder that will hold the backup: parent and name. For a full backup it does not exist yet. */
  readonly parent: string;
  /** Generation B3 gives it the name of the database, whatever is said here; C puts its files right into `parent`. */
  readonly name: string;
  /** Folder for the report of the consistency check. */
  readonly reports: string;
  /** Folder that is there and holds two empty ones, `backup` and `check`, for what needs as much room as the store. */
  readonly temporary: string;
  /** Which types are to be checked. Both are told: what begins as an increment may end as a full backup (generation A). */
  readonly check: Readonly<Record<BackupType, boolean>>;
  /** The tool's version: some flags came late. */
  readonly version: string;
  readonly tool: ToolSettings;
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

/** The server's settings that messages name, as this generation calls them. */
interface ServerSettings {
  /** Whether online backup is enabled at all. */
  readonly enabled: string;
  /** On which address the backup service listens. */
  readonly listen: string;
  /** For how long the logical logs stay that an increment needs. */
  readonly retention: string;
  /** Whether the backup service speaks TLS. Absent: in this generation it never does. */
  readonly tls?: string;
}

/** What a container of the tool needs, and what of it can be set. Sizes in MiB. */
export interface MemoryNeeds {
  /** The smallest heap that was seen to serve. Below it the tools fail in ways that name no memory. */
  readonly leastHeapMiB: number;
  /** What the JVM needs beside its heap and page cache: code, classes, threads, network buffers. */
  readonly besideHeapMiB: number;
  /** Whether the tool can be told the size of its page cache. */
  takesPageCache(version: string): boolean;
}

/** Commands of a tool that does by itself what others do within the backup: it must be told to look at what it took. */
interface Companions {
  /** Commands that each list the artifacts of a folder, in one format or another. */
  readonly inspect: (command: Command) => readonly (readonly string[])[];
  /** The consistency check of a full backup. */
  readonly check: (command: Command) => readonly string[];
}

export interface Engine {
  readonly generation: 'A' | 'B1' | 'B2' | 'B3' | 'C';
  /** The versions that it serves, for people. */
  readonly versions: string;
  readonly settings: ServerSettings;
  defaultImage(version: string): string;
  /** Whether that image refuses to start until its license is accepted. We bypass its entry point, so we ask instead. */
  readonly asksForLicense: boolean;
  /** Environment of the tool. Nothing of the user's goes in but the size of the heap, a number. */
  environment(heapMiB: number): Readonly<Record<string, string>>;
  readonly memory: MemoryNeeds;
  /**
   * Whether the tool holds the name of the server against its certificate unless it is told: `off`, `on`. `never`: it cannot
   * be told either.
   */
  hostnameCheck(version: string): 'never' | 'off' | 'on';
  /** What else a resource may set: some settings came late. */
  options(version: string): ToolOptions;
  /** Files of the tool's configuration folder, by name. */
  configuration(settings: ToolSettings): Readonly<Record<string, string>>;
  /** `one`: the server has no names for them. `named`: each is backed up by itself, `neo4j` where none is named. */
  readonly databases: 'one' | 'named';
  /** `store`: a folder that is a database, changed in place by increments. `artifacts`: files that are never changed. */
  readonly layout: 'store' | 'artifacts';
  commandLine(command: Command): readonly string[];
  readonly companions?: Companions;
  /** The types that the tool can check. Of another one nothing is claimed, whatever was wished. */
  readonly checks: readonly BackupType[];
  /** Fixed strings in the output that tell pruned logs. None: the tool then takes a full backup itself. */
  readonly prunedMarks: readonly string[];
  /**
   * Fixed strings of which a failed increment's output holds at least one when it names its cause. Where none is there, the
   * logs may have been pruned: only a full backup beside the old one can tell. Absent: the tool always names it.
   */
  readonly causeMarks?: readonly string[];
  judge(ended: Ended): Verdict;
  /** With {@link allDatabases}: what the output tells of the databases that failed, by name. */
  failedDatabases?(output: string): ReadonlyMap<string, string>;
}
