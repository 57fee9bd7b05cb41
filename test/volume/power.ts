// A disk of which it is known what a loss of power may take: the real port, recorded, and beside it a model of what is durable.
// The content of a file is durable once the file was synced, a name once its folder was. Whatever was not may each be lost or
// kept. That is harsher than any file system with a journal, which keeps an order.
import { closeSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Files } from '../../src/volume/files.ts';
import { pathsOf, portThrough, type Verb } from './port.ts';

/** An inode. Its number is its identity: all are held open, so that none is given twice. */
type ID = bigint;

type Names = ReadonlyMap<string, ID>;

/** What is, or what is certain to be after a loss of power. */
interface Image {
  readonly folders: ReadonlyMap<ID, Names>;
  readonly contents: ReadonlyMap<ID, Buffer>;
}

/** The volume right after an operation. */
export interface Moment {
  /** The operation, in words. */
  readonly after: string;
  readonly verb: Verb | 'start' | 'end';
  /** Of a new file: it, for a process that dies in the middle of writing it. */
  readonly written?: ID;
  readonly root: ID;
  readonly now: Image;
  readonly durable: Image;
}

const nothing: Names = new Map();

/** Records what a story does to a volume. */
export class Recorder {
  readonly files: Files;
  readonly moments: Moment[] = [];
  readonly #volume: string;
  readonly #open = new Map<ID, number>();
  readonly #cache = new Map<string, Buffer>();
  readonly #durableFolders = new Map<ID, Names>();
  readonly #durableContents = new Map<ID, Buffer>();
  readonly #lastContents = new Map<ID, Buffer>();
  readonly #lastFolders = new Map<ID, Names>();

  /** What is there before the story begins is durable. */
  constructor(volume: string) {
    this.#volume = volume;
    const { folders, contents } = this.#walk();
    for (const [id, names] of folders) this.#durableFolders.set(id, names);
    for (const [id, content] of contents) this.#durableContents.set(id, content);
    this.#record('start', 'the start');
    this.files = portThrough(async (verb, args, work) => {
      const result = await work();
      this.#done(verb, pathsOf(verb, args));
      return result;
    });
  }

  /** The end of a container, when its message is out. */
  end(what: string): void {
    this.#record('end', what);
  }

  close(): void {
    for (const fd of this.#open.values()) closeSync(fd);
  }

  #done(verb: Verb, paths: readonly string[]): void {
    const [path = ''] = paths;
    if (relative(this.#volume, path).startsWith('..')) return; // the exchange folder goes with the Pod
    if (['sync', 'writeNew', 'rewrite'].includes(verb)) this.#keep(path);
    const words = `${verb} ${paths.map((one) => relative(this.#volume, one)).join(' ')}`;
    this.#record(verb, words, verb === 'writeNew' ? this.#idOf(path) : undefined);
  }

  #keep(path: string): void {
    const id = this.#idOf(path);
    if (lstatSync(path).isDirectory()) this.#durableFolders.set(id, this.#namesIn(path));
    else this.#durableContents.set(id, readFileSync(path));
  }

  #record(verb: Moment['verb'], after: string, written?: ID): void {
    const now = this.#walk();
    for (const [id, content] of now.contents) this.#lastContents.set(id, content);
    for (const id of this.#lastFolders.keys()) this.#lastFolders.set(id, nothing); // removed, unless it is still there
    for (const [id, names] of now.folders) this.#lastFolders.set(id, names);
    this.moments.push({
      after,
      verb,
      ...(written === undefined ? {} : { written }),
      root: this.#idOf(this.#volume),
      now: { folders: new Map(this.#lastFolders), contents: new Map(this.#lastContents) },
      durable: { folders: new Map(this.#durableFolders), contents: new Map(this.#durableContents) },
    });
  }

  #idOf(path: string): ID {
    const id = lstatSync(path, { bigint: true }).ino;
    if (!this.#open.has(id)) this.#open.set(id, openSync(path, 'r'));
    return id;
  }

  #namesIn(folder: string): Names {
    return new Map(readdirSync(folder).map((name) => [name, this.#idOf(join(folder, name))]));
  }

  #walk(): { readonly folders: Map<ID, Names>; readonly contents: Map<ID, Buffer> } {
    const folders = new Map<ID, Names>();
    const contents = new Map<ID, Buffer>();
    const visit = (path: string): void => {
      const { ino, size, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
      const names = lstatSync(path).isDirectory() ? this.#namesIn(path) : undefined;
      if (names === undefined) {
        const key = [ino, size, mtimeNs, ctimeNs].join(' ');
        const content = this.#cache.get(key) ?? readFileSync(path);
        this.#cache.set(key, content);
        contents.set(this.#idOf(path), content);
        return;
      }
      folders.set(ino, names);
      for (const name of names.keys()) visit(join(path, name));
    };
    visit(this.#volume);
    return { folders, contents };
  }
}

/** What becomes of what was not durable: of each name, and of the content of each file. */
export interface Loss {
  readonly name: string;
  readonly keepsName: () => boolean;
  readonly content: () => 'kept' | 'lost' | 'cut' | 'zeros';
}

const yes = (): boolean => true;
const no = (): boolean => false;

/** The process dies, and the machine lives: nothing is lost. */
export const killed: Loss = { name: 'killed', keepsName: yes, content: () => 'kept' };

/** The power fails. The last one draws lots, from a source of numbers below 1. */
export function losses(random: () => number): readonly Loss[] {
  const contents = ['kept', 'lost', 'cut', 'zeros'] as const;
  return [
    { name: 'all lost', keepsName: no, content: () => 'lost' },
    { name: 'names lost', keepsName: no, content: () => 'kept' },
    { name: 'contents lost', keepsName: yes, content: () => 'lost' },
    { name: 'contents cut', keepsName: yes, content: () => 'cut' },
    { name: 'contents zero', keepsName: yes, content: () => 'zeros' },
    {
      name: 'some lost',
      keepsName: () => random() < 0.5,
      content: () => contents[Math.floor(random() * contents.length)] ?? 'kept',
    },
  ];
}

/** Builds what is found after a loss. `torn`: the process died in the middle of the write that was the moment's operation. */
export function rebuild(moment: Moment, loss: Loss, to: string, torn = false): void {
  const { now, durable } = moment;
  const contentOf = (id: ID): Buffer => {
    const certain = durable.contents.get(id);
    const content = now.contents.get(id) ?? Buffer.of();
    if (torn && id === moment.written) return content.subarray(0, content.length / 2);
    if (certain?.equals(content) === true) return content;
    const fate = loss.content();
    if (fate === 'kept') return content;
    if (fate === 'zeros') return Buffer.alloc(content.length);
    return fate === 'lost' ? (certain ?? Buffer.of()) : content.subarray(0, content.length / 2);
  };
  const namesOf = (id: ID): Names => {
    const certain = durable.folders.get(id) ?? nothing;
    const present = now.folders.get(id) ?? nothing;
    const names = new Map<string, ID>();
    for (const name of new Set([...certain.keys(), ...present.keys()])) {
      const [before, after] = [certain.get(name), present.get(name)];
      const found = before === after || loss.keepsName() ? after : before;
      if (found !== undefined) names.set(name, found);
    }
    return names;
  };
  const isFolder = (id: ID): boolean => now.folders.has(id) || durable.folders.has(id);
  const build = (id: ID, path: string): void => {
    if (!isFolder(id)) {
      writeFileSync(path, contentOf(id));
      return;
    }
    mkdirSync(path, { recursive: true });
    for (const [name, inner] of namesOf(id)) build(inner, join(path, name));
  };
  build(moment.root, to);
}
