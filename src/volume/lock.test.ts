import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FakeClock, until } from '../../test/support/fake-clock.ts';
import { listing, temporaryFolder } from '../../test/support/temporary.ts';
import { failingFiles, filesWith } from '../../test/support/volume.ts';
import { realFiles, type Files } from './files.ts';
import { LockBusy, LockLost, withLock, type Held, type Holder } from './lock.ts';

function podUID(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

interface Scene {
  readonly root: string;
  readonly clock: FakeClock;
}

function aScene(): Scene {
  return { root: join(temporaryFolder(), 'orders'), clock: new FakeClock() };
}

function holder({ clock }: Scene, pod: number, over: Partial<Holder> = {}): Holder {
  return { podUID: podUID(pod), run: `orders-${pod}`, terminalPods: [], clock, patienceMs: 600_000, ...over };
}

/** A Pod that got the lock, and holds it until it is told to let go. */
interface Holding {
  readonly held: Held;
  readonly end: () => Promise<void>;
}

function hold(
  scene: Scene,
  pod: number,
  over: Partial<Holder> = {},
  files: Files = realFiles,
): Promise<Holding> {
  const letGo = Promise.withResolvers<undefined>();
  return new Promise((resolve, reject) => {
    const work = withLock(files, scene.root, holder(scene, pod, over), (held) => {
      resolve({
        held,
        end: () => {
          letGo.resolve(undefined);
          return work;
        },
      });
      return letGo.promise;
    }).then(() => undefined);
    work.catch(reject);
  });
}

/** A process that the kernel does not run: once it is paused nothing of it reaches the volume any more. */
function pausable(): { readonly files: Files; readonly pause: () => Promise<void> } {
  let isPaused = false;
  let underWay: Promise<unknown> = Promise.resolve();
  const never = new Promise<never>(() => undefined);
  const rewrite: Files['rewrite'] = async (...given) => {
    const call = realFiles.rewrite(...given);
    underWay = call.catch(() => undefined);
    return call;
  };
  const files = new Proxy(
    { ...realFiles, rewrite },
    { get: (target, verb: keyof Files) => (isPaused ? () => never : target[verb]) },
  );
  return {
    files,
    async pause() {
      isPaused = true;
      await underWay; // the last beat, which may take a disk a while
    },
  };
}

const lockOf = ({ root }: Scene): string => join(root, '.lock');
const leftIn = ({ root }: Scene): readonly string[] => readdirSync(join(root, '.staging'));

describe('withLock', () => {
  test('gives what the work gives, and leaves nothing behind', async () => {
    const scene = aScene();
    const found = await withLock(realFiles, scene.root, holder(scene, 1), async (held) => {
      await held.check();
      expect(held.root).toBe(scene.root);
      return readdirSync(lockOf(scene));
    });
    expect(found).toEqual(['holder.json']);
    expect(existsSync(lockOf(scene))).toBe(false);
    expect(leftIn(scene)).toEqual([]);
    expect(scene.clock.waiting).toBe(0);
  });

  test('is given back when the work fails, which is what is told', async () => {
    const scene = aScene();
    const boom = new Error('boom');
    await expect(withLock(realFiles, scene.root, holder(scene, 1), () => Promise.reject(boom))).rejects.toBe(
      boom,
    );
    expect(existsSync(lockOf(scene))).toBe(false);
  });

  test('lets one in at a time, and the next one when that is done', async () => {
    const scene = aScene();
    const first = await hold(scene, 1);
    let isIn = false;
    const second = hold(scene, 2).then((holding) => {
      isIn = true;
      return holding;
    });
    await scene.clock.advance(30_000);
    expect(isIn).toBe(false);
    await first.held.check();
    await first.end();
    await (await until(scene.clock, second)).end();
    expect(leftIn(scene)).toEqual([]);
  });

  test('waits for as long as it has patience for a holder that lives, and says who that is', async () => {
    const scene = aScene();
    const first = await hold(scene, 1);
    const start = scene.clock.monotonicMs();
    const failure = await until(
      scene.clock,
      hold(scene, 2, { patienceMs: 300_000 }).catch((e: unknown) => e),
    );
    expect(scene.clock.monotonicMs() - start).toBeGreaterThanOrEqual(300_000);
    expect(failure).toBeInstanceOf(LockBusy);
    expect(failure).toMatchObject({ holder: `Pod ${podUID(1)} of run orders-1` });
    await first.held.check();
    await first.end();
    expect(leftIn(scene)).toEqual([]);
  });

  test('takes the lock of a Pod that is known to be gone, at once', async () => {
    const scene = aScene();
    await hold(scene, 1);
    const second = await hold(scene, 2, { terminalPods: [podUID(1)], patienceMs: 0 });
    await second.held.check();
    await second.end();
    expect(scene.clock.monotonicMs()).toBe(0);
  });

  test('takes a lock that stood still for a minute, and not before', async () => {
    const scene = aScene();
    const { files, pause } = pausable();
    await hold(scene, 1, {}, files);
    await scene.clock.advance(25_000);
    await pause();
    const start = scene.clock.monotonicMs();
    const second = await until(scene.clock, hold(scene, 2));
    expect(scene.clock.monotonicMs() - start).toBeGreaterThanOrEqual(60_000);
    expect(scene.clock.monotonicMs() - start).toBeLessThan(66_000);
    await second.held.check();
  });

  test('counts the minute anew when the holder moves within it', async () => {
    const scene = aScene();
    mkdirSync(lockOf(scene), { recursive: true });
    const write = (beat: string): void => {
      const text = { podUID: podUID(1), run: 'orders-1', token: 'a'.repeat(32), beat: beat.repeat(16) };
      writeFileSync(join(lockOf(scene), 'holder.json'), JSON.stringify(text));
    };
    write('0');
    const second = hold(scene, 2);
    await scene.clock.advance(50_000);
    write('1');
    await scene.clock.advance(55_000);
    expect(readFileSync(join(lockOf(scene), 'holder.json'), 'utf8')).toContain(podUID(1));
    await until(scene.clock, second);
    expect(readFileSync(join(lockOf(scene), 'holder.json'), 'utf8')).toContain(podUID(2));
  });

  test('keeps a holder in, however long it works, whose single beats fail', async () => {
    const scene = aScene();
    let beats = 0;
    const files = filesWith(({ verb }) => {
      if (verb === 'rewrite') beats += 1;
      return verb === 'rewrite' && beats % 3 === 0 ? { half: false, error: new Error('EIO') } : undefined;
    });
    const first = await hold(scene, 1, {}, files);
    const second = until(
      scene.clock,
      hold(scene, 2, { patienceMs: 600_000 }).catch((e: unknown) => e),
    );
    expect(await second).toBeInstanceOf(LockBusy);
    expect(beats).toBeGreaterThan(50);
    await first.held.check();
  });

  const inTheWay: readonly { readonly name: string; readonly make: (place: string) => void }[] = [
    { name: 'a file', make: (place) => writeFileSync(place, 'garbage') },
    { name: 'an empty file', make: (place) => writeFileSync(place, '') },
    { name: 'a huge file', make: (place) => writeFileSync(place, Buffer.alloc(32 * 1024 * 1024)) },
    { name: 'a link to a folder', make: (place) => symlinkSync('../outside', place) },
    { name: 'a link to nowhere', make: (place) => symlinkSync('nowhere', place) },
    { name: 'an empty folder', make: (place) => mkdirSync(place) },
    {
      name: 'a folder with other things',
      make: (place) => mkdirSync(join(place, 'a/b'), { recursive: true }),
    },
    {
      name: 'a holder that is garbage',
      make: (place) => {
        mkdirSync(place);
        writeFileSync(join(place, 'holder.json'), '{"podUID":"../../outside"}');
      },
    },
    {
      name: 'a huge holder',
      make: (place) => {
        mkdirSync(place);
        writeFileSync(join(place, 'holder.json'), Buffer.alloc(32 * 1024 * 1024, '{'));
      },
    },
    {
      name: 'a holder that is a link',
      make: (place) => {
        mkdirSync(place);
        symlinkSync('../../outside/kept', join(place, 'holder.json'));
      },
    },
    {
      name: 'a holder that is a folder',
      make: (place) => mkdirSync(join(place, 'holder.json'), { recursive: true }),
    },
  ];
  test.each(inTheWay)('is blocked by $name for a minute at most, and led nowhere', async ({ make }) => {
    const scene = aScene();
    const outside = join(scene.root, '../outside');
    mkdirSync(outside);
    mkdirSync(scene.root);
    writeFileSync(join(outside, 'kept'), 'kept');
    const before = listing(outside);
    make(lockOf(scene));
    const holding = await until(scene.clock, hold(scene, 1));
    expect(scene.clock.monotonicMs()).toBeLessThan(66_000);
    await holding.held.check();
    await scene.clock.advance(30_000); // it beats
    await holding.end();
    expect(listing(outside)).toEqual(before);
    expect(existsSync(lockOf(scene))).toBe(false);
    expect(leftIn(scene)).toEqual([]);
  });

  test('says so when what is in the way is no holder', async () => {
    const scene = aScene();
    mkdirSync(scene.root);
    writeFileSync(lockOf(scene), 'garbage');
    const failure = await until(
      scene.clock,
      hold(scene, 1, { patienceMs: 1000 }).catch((e: unknown) => e),
    );
    expect(String(failure)).toContain('something that no run wrote');
  });

  test('tells what the volume says that has no room for it', async () => {
    const scene = aScene();
    const files = failingFiles('ENOSPC', ({ verb }) => verb === 'writeNew');
    await expect(hold(scene, 1, {}, files)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(leftIn(scene)).toEqual([]);
  });
});

describe('a holder that lost the lock', () => {
  async function robbed(): Promise<Scene & { readonly first: Holding; readonly second: Holding }> {
    const scene = aScene();
    const first = await hold(scene, 1);
    const second = await hold(scene, 2, { terminalPods: [podUID(1)] });
    return { ...scene, first, second };
  }

  test('is told, and who has it', async () => {
    const { first, second, clock } = await robbed();
    await expect(first.held.check()).rejects.toThrow(LockLost);
    await expect(first.held.check()).rejects.toThrow(podUID(2));
    await clock.advance(30_000);
    await second.held.check();
    await second.end();
    await expect(first.held.check()).rejects.toThrow('nobody');
  });

  test('leaves the lock of the other alone: it does not write to it, and does not give it back', async () => {
    const { root, first, second, clock } = await robbed();
    await clock.advance(30_000);
    await first.end();
    await second.held.check();
    expect(readFileSync(join(root, '.lock/holder.json'), 'utf8')).toContain(podUID(2));
  });

  test('has nothing left to commit, even when it had looked right before', async () => {
    const scene = aScene();
    const first = await hold(scene, 1);
    const passage = first.held.passage('point');
    await writeFile(passage, 'staged by the first');
    await first.held.check();
    const second = await hold(scene, 2, { terminalPods: [podUID(1)] });
    await expect(rename(passage, join(scene.root, 'published'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(passage).not.toBe(second.held.passage('point'));
    await second.held.check();
  });

  test('has put what it commits into the lock of the other, where it goes away', async () => {
    const { root, first, second } = await robbed();
    await writeFile(first.held.passage('point'), 'staged by the first');
    await expect(first.held.check()).rejects.toThrow(LockLost);
    await second.end();
    expect(existsSync(join(root, '.lock'))).toBe(false);
  });
});

test('a lock that came right when another was to be taken away is lost to its holder, and both know', async () => {
  const scene = aScene();
  mkdirSync(lockOf(scene), { recursive: true });
  writeFileSync(join(lockOf(scene), 'holder.json'), 'garbage');
  let isFirst = true;
  let third: Holding | undefined;
  // The third takes the stale lock away and gets it just before the second, who has looked, does.
  const files: Files = {
    ...realFiles,
    rename: async (from, to) => {
      if (isFirst && from === lockOf(scene)) {
        isFirst = false;
        await rm(lockOf(scene), { recursive: true });
        third = await hold(scene, 3);
      }
      await realFiles.rename(from, to);
    },
  };
  const second = await until(scene.clock, hold(scene, 2, {}, files));
  await second.held.check();
  await expect(third?.held.check()).rejects.toThrow(LockLost);
});
