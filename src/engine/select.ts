// Which generation of the tool serves a version of Neo4j.
import { adminBackupB1, adminBackupB1Before33 } from './admin-backup-b1.ts';
import { adminBackupB2 } from './admin-backup-b2.ts';
import { adminBackupB3 } from './admin-backup-b3.ts';
import { backupA, backupA23 } from './backup-a.ts';
import { databaseBackupC } from './database-backup-c.ts';
import type { Engine } from './engine.ts';

const engines: readonly { readonly matches: RegExp; readonly engine: Engine }[] = [
  { matches: /^2\.3(\.|$|-)/, engine: backupA23 },
  { matches: /^3\.0(\.|$|-)/, engine: backupA },
  { matches: /^3\.[12](\.|$|-)/, engine: adminBackupB1Before33 },
  { matches: /^3\.3(\.|$|-)/, engine: adminBackupB1 },
  { matches: /^3\.[45](\.|$|-)/, engine: adminBackupB2 },
  { matches: /^4\.[0-4](\.|$|-)/, engine: adminBackupB3 },
  { matches: /^(5|20(2[5-9]|[3-9]\d))\.\d/, engine: databaseBackupC },
];

/** The versions that some engine serves, for people. */
export const servedVersions = engines.map(({ engine }) => engine.versions).join(', ');

export function selectEngine(version: string): Engine | undefined {
  return engines.find(({ matches }) => matches.test(version))?.engine;
}
