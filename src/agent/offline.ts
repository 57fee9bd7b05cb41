// `agent catalog DIR` and `agent verify DIR`: what a volume holds, and whether it is whole. For people, without a cluster.
import { lstat, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConfigError, type OfflineConfig } from '../config.ts';
import { errorCode, listEntries } from '../volume/files.ts';
import { folders, rootFiles } from '../volume/layout.ts';
import { printCatalog } from './catalog.ts';
import { printVerification } from './verify.ts';

/** A destination, and how it is called. */
export interface Place {
  readonly name: string;
  readonly root: string;
}

/** What a verb has to say. */
export interface Printed {
  readonly text: string;
  /** 0 when all is as it should be. */
  readonly exitCode: 0 | 1;
}

/**
 * Runs one of the two verbs. Reads only.
 * @throws ConfigError when there is nothing that it could be asked of
 */
export async function runOffline(config: OfflineConfig): Promise<Printed> {
  const places = await destinationsIn(config.folder);
  return config.verb === 'catalog'
    ? printCatalog(places, config.output)
    : printVerification(places, config.output);
}

/** More destinations no volume of ours has. */
const mostDestinations = 1_000;

/** The folder itself, when it is a destination, or else those that are directly in it. */
async function destinationsIn(folder: string): Promise<readonly Place[]> {
  const root = await realpath(folder).catch((error: unknown) => {
    throw new ConfigError(`${folder} cannot be read: ${errorCode(error) ?? String(error)}`, { cause: error });
  });
  if (!(await lstat(root)).isDirectory()) throw new ConfigError(`${folder} is no folder`);
  if (await isDestination(root)) return [{ name: basename(root), root }];
  const found: Place[] = [];
  for (const entry of (await listEntries(root, (one) => one.isDirectory())) ?? []) {
    const place = { name: entry.name, root: join(root, entry.name) };
    if (await isDestination(place.root)) found.push(place);
    if (found.length >= mostDestinations) break;
  }
  if (found.length === 0)
    throw new ConfigError(
      `${folder} holds no backups: neither points/, chains/ nor runs/ is in it, or one folder below`,
    );
  return found;
}

/** By its entries, whatever they turn out to be. */
async function isDestination(root: string): Promise<boolean> {
  const telling: readonly string[] = [
    folders.points,
    folders.chains,
    folders.runs,
    ...Object.values(rootFiles),
  ];
  const found = (await listEntries(root, ({ name }) => telling.includes(name))) ?? [];
  return found.length > 0;
}
