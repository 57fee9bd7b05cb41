// One publisher at a time on a destination, whoever else has the volume mounted; and who has lost the lock commits nothing.
import { randomBytes } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { errorCode, readBeginning, type Files } from './files.ts';
import { folders, lockFolder } from './layout.ts';

/** As much of time as the lock needs. The wall clock is no part of it, and no time of a file is. */
export interface Clock {
  /** Milliseconds from an arbitrary start. It never jumps or goes back. */
  monotonicMs(): number;
  /** @throws anything as soon as the signal aborts */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Who wants the lock. */
export interface Holder {
  readonly podUID: string;
  readonly run: string;
  /** Pods that will never write again: what they hold is free. */
  readonly terminalPods: readonly string[];
  readonly clock: Clock;
  /** How long to wait for another holder. What nobody renews is free only after a minute: less than that waits in vain for it. */
  readonly patienceMs: number;
}

/** The lock while it is held. */
export interface Held {
  /** The destination. */
  readonly root: string;
  /** @throws LockLost when the lock is another's by now, or nobody's */
  check(): Promise<void>;
  /**
   * Where something is put that a rename from there commits. The place is in the lock itself: with the lock it goes away,
   * and then there is nothing left that the rename could commit, however long this process was held up before it.
   */
  passage(name: string): string;
}

/** Another holds the lock, and did so for longer than we could wait. */
export class LockBusy extends Error {
  override readonly name = 'LockBusy';
  readonly holder: string;

  constructor(holder: string) {
    super(`${holder} holds the lock of the destination`);
    this.holder = holder;
  }
}

/** We held the lock, stood still for too long, and another took it. */
export class LockLost extends Error {
  override readonly name = 'LockLost';
  readonly holder: string;

  constructor(holder: string) {
    super(`the lock of the destination was lost to ${holder}`);
    this.holder = holder;
  }
}

/** Whether the lock is another's: then nothing is wrong with the volume, nor with what was to be done there. */
export function isLockError(error: unknown): error is LockBusy | LockLost {
  return error instanceof LockBusy || error instanceof LockLost;
}

/** A holder that nobody has seen move for so long is gone. */
const staleAfterMs = 60_000;
/** A holder shows that it is alive this often. */
const beatMs = 10_000;
/** Most locks are held for a moment; of the others, nobody has to know at once. */
const firstPollMs = 250;
const longestPollMs = 5_000;

/** In the lock's folder: who holds it. */
const holderFile = 'holder.json';

/** What a holder writes is shorter. Bytes. */
const maxHolderBytes = 1024;

/** Read back from a volume that others can write to. `beat` alone changes, and never in length: it is written in place. */
const Inscription = z.object({
  podUID: z.string().regex(/^[0-9a-f-]{1,64}$/),
  run: z.string().regex(/^[-a-z0-9]{1,63}$/),
  token: z.string().regex(/^[0-9a-f]{32}$/),
  beat: z.string().regex(/^[0-9a-f]{16}$/),
});

type Inscription = Readonly<z.output<typeof Inscription>>;

function parseInscription(text: string): Inscription | undefined {
  try {
    return Inscription.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // whoever wrote that was not a holder
  }
}

/** What stands in the place of the lock. Equal marks: nothing has moved. */
interface Standing {
  readonly mark: string;
  readonly by?: Inscription;
}

/**
 * Does work as the only one who holds the lock of a destination, and makes the destination when it is not there.
 *
 * The lock is a folder that is renamed into its place with its holder's name in it, which fails while another is there. It
 * never comes back once it was renamed away. So what is renamed out of it (see {@link Held.passage}) after a {@link
 * Held.check} is committed by a process that held the lock all the time since it got it. Clocks decide who waits how long,
 * never that.
 * @throws LockBusy when another holds it for longer than our patience
 * @throws LockLost when the work misses what went with the lock
 * @throws whatever the work throws
 */
export async function withLock<T>(
  files: Files,
  root: string,
  holder: Holder,
  work: (held: Held) => Promise<T>,
): Promise<T> {
  const lock = new Lock(files, root, holder);
  await lock.acquire();
  const ended = new AbortController();
  void lock.keepAlive(ended.signal);
  try {
    return await work(lock);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') await lock.check(); // what was in the lock went with it
    throw error;
  } finally {
    ended.abort();
    await lock.release();
  }
}

class Lock implements Held {
  readonly root: string;
  readonly #files: Files;
  readonly #holder: Holder;
  readonly #place: string;
  readonly #token = randomBytes(16).toString('hex');
  #inscription: string;

  constructor(files: Files, root: string, holder: Holder) {
    this.root = root;
    this.#files = files;
    this.#holder = holder;
    this.#place = join(root, lockFolder);
    this.#inscription = this.#inscribe();
  }

  #inscribe(): string {
    const { podUID, run } = this.#holder;
    const text: Inscription = { podUID, run, token: this.#token, beat: randomBytes(8).toString('hex') };
    return JSON.stringify(text);
  }

  /** A folder in staging, named like any of this Pod: what a crash leaves of it goes once the Pod is known to be gone. */
  #aside(what: string): string {
    return join(this.root, folders.staging, `lock-${what}-${this.#token.slice(0, 8)}.${this.#holder.podUID}`);
  }

  async acquire(): Promise<void> {
    const own = this.#aside('new');
    try {
      await this.#files.makeFolder(own);
      await this.#files.writeNew(join(own, holderFile), this.#inscription);
      await this.#wait(own);
    } catch (error) {
      await this.#files.remove(own).catch(() => undefined); // what went wrong first is what counts
      throw error;
    }
  }

  async #wait(own: string): Promise<void> {
    const { clock, patienceMs, terminalPods } = this.#holder;
    const began = clock.monotonicMs();
    let last: { readonly mark: string; readonly since: number } | undefined;
    let pollMs = firstPollMs;
    while (!(await this.#enter(own))) {
      const standing = await this.#look(this.#place);
      if (standing === undefined) continue; // it went a moment ago
      const now = clock.monotonicMs();
      if (last?.mark !== standing.mark) last = { mark: standing.mark, since: now };
      if (terminalPods.includes(standing.by?.podUID ?? '') || now - last.since >= staleAfterMs) {
        await this.#evict(standing.mark);
        continue;
      }
      if (now - began >= patienceMs) throw new LockBusy(nameOf(standing));
      await clock.sleep(pollMs, new AbortController().signal);
      pollMs = Math.min(longestPollMs, pollMs * 2);
    }
  }

  /** An empty folder in the place of the lock is no lock, and is replaced. */
  async #enter(own: string): Promise<boolean> {
    try {
      await this.#files.rename(own, this.#place);
      return true;
    } catch (error) {
      if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error) ?? '')) return false;
      throw error;
    }
  }

  /**
   * Takes away what nobody moves any more. All of it is gone before we go on: what its holder was about to commit, too.
   * A lock that came in its place this very moment is lost to its holder then, which does no harm; given back, it could
   * have been another's in between, and its holder would not know.
   */
  async #evict(mark: string): Promise<void> {
    if ((await this.#look(this.#place))?.mark !== mark) return;
    await this.#takeAway('stale');
  }

  async #takeAway(what: string): Promise<void> {
    const aside = this.#aside(what);
    try {
      await this.#files.rename(this.#place, aside);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return; // another was faster
      throw error;
    }
    await this.#files.remove(aside);
  }

  /** Undefined: nothing is there. Whatever else is there is looked at, never followed, and read no further than a holder's name goes. */
  async #look(place: string): Promise<Standing | undefined> {
    const kind = await kindOf(place);
    if (kind !== 'folder') return kind === undefined ? undefined : { mark: kind };
    const file = join(place, holderFile);
    const inner = await kindOf(file);
    if (inner !== 'file') return { mark: `a folder with ${inner ?? 'nothing'}` };
    const text = await readBeginning(file, maxHolderBytes);
    const by = parseInscription(text);
    return { mark: `held: ${text}`, ...(by === undefined ? {} : { by }) };
  }

  async keepAlive(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#holder.clock.sleep(beatMs, signal);
        if (signal.aborted) return;
        const next = this.#inscribe();
        if (!(await this.#files.rewrite(join(this.#place, holderFile), this.#inscription, next))) return;
        this.#inscription = next;
      } catch {
        // A volume that fails now may not fail for the next beat; and whoever takes the lock meanwhile is found by check().
      }
    }
  }

  async check(): Promise<void> {
    const standing = await this.#look(this.#place);
    if (standing?.by?.token !== this.#token) throw new LockLost(nameOf(standing));
  }

  passage(name: string): string {
    return join(this.#place, `${this.#token.slice(0, 8)}-${name}`);
  }

  /** What cannot be given back ends with its Pod: no work is a failure for that. */
  async release(): Promise<void> {
    try {
      await this.check();
      await this.#takeAway('old');
    } catch {
      return;
    }
  }
}

/** The holder as people are told. */
function nameOf(standing: Standing | undefined): string {
  if (standing === undefined) return 'nobody';
  return standing.by === undefined
    ? 'something that no run wrote'
    : `Pod ${standing.by.podUID} of run ${standing.by.run}`;
}

async function kindOf(path: string): Promise<'folder' | 'file' | 'other' | undefined> {
  try {
    const found = await lstat(path);
    return found.isDirectory() ? 'folder' : found.isFile() ? 'file' : 'other';
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
