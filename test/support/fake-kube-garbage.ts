// The garbage collector of the fake: what it would do next, as kube-controller-manager does it. Pure.
import type { OwnerReference } from '../../src/kube/resource.ts';
import type { Propagation, Stored } from './fake-kube-world.ts';

export interface Entry {
  readonly type: string;
  readonly object: Stored;
}

/** One change of one object. */
export type GarbageStep =
  | { readonly kind: 'delete'; readonly entry: Entry; readonly propagation: Propagation }
  | { readonly kind: 'disown'; readonly entry: Entry; readonly ownerReferences: readonly OwnerReference[] }
  | { readonly kind: 'letGo'; readonly entry: Entry; readonly finalizers: readonly string[] };

/** What the API server puts on an object whose deletion the collector has to finish. */
export const collectorFinalizers = { Foreground: 'foregroundDeletion', Orphan: 'orphan' } as const;

/** @returns undefined when nothing is left to do. */
export function garbageStep(entries: readonly Entry[]): GarbageStep | undefined {
  const byUid = new Map(entries.map((entry) => [entry.object.metadata.uid, entry.object]));
  for (const entry of entries) {
    const step = isDeleted(entry.object)
      ? (orphanStep(entry, entries) ?? foregroundStep(entry, entries))
      : dependentStep(entry, entries, byUid);
    if (step !== undefined) return step;
  }
  return undefined;
}

/** The dependents of an owner that goes alone forget it, one by one; then it goes. */
function orphanStep(entry: Entry, entries: readonly Entry[]): GarbageStep | undefined {
  const { uid } = entry.object.metadata;
  if (!isHeldFor('Orphan', entry.object)) return undefined;
  const dependent = entries.find(({ object }) => ownersOf(object).some((owner) => owner.uid === uid));
  if (dependent === undefined) return letGo(entry, 'Orphan');
  const ownerReferences = ownersOf(dependent.object).filter((owner) => owner.uid !== uid);
  return { kind: 'disown', entry: dependent, ownerReferences };
}

/** An owner that goes last waits for those of its dependents that want that. */
function foregroundStep(entry: Entry, entries: readonly Entry[]): GarbageStep | undefined {
  const { uid } = entry.object.metadata;
  if (!isHeldFor('Foreground', entry.object)) return undefined;
  const isAwaited = entries.some(({ object }) =>
    ownersOf(object).some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
  );
  return isAwaited ? undefined : letGo(entry, 'Foreground');
}

/** An object goes when none of its owners stays; owners that do not stay are forgotten when another one does. */
function dependentStep(
  entry: Entry,
  entries: readonly Entry[],
  byUid: ReadonlyMap<string, Stored>,
): GarbageStep | undefined {
  const owners = ownersOf(entry.object);
  const gone = owners.filter(({ uid }) => !byUid.has(uid));
  const leaving = owners.filter(({ uid, blockOwnerDeletion }) => {
    const owner = byUid.get(uid);
    return blockOwnerDeletion === true && owner !== undefined && isHeldFor('Foreground', owner);
  });
  if (gone.length + leaving.length === 0) return undefined;
  const staying = owners.filter((owner) => !gone.includes(owner) && !leaving.includes(owner));
  if (staying.length > 0) return { kind: 'disown', entry, ownerReferences: staying };
  return { kind: 'delete', entry, propagation: manner(entry, entries, leaving.length > 0) };
}

/** Who is awaited and has dependents itself waits for them in turn. */
function manner({ object }: Entry, entries: readonly Entry[], isAwaited: boolean): Propagation {
  const { uid } = object.metadata;
  const hasDependents = entries.some((other) => ownersOf(other.object).some((owner) => owner.uid === uid));
  return isAwaited && hasDependents ? 'Foreground' : 'Background';
}

function letGo(entry: Entry, propagation: 'Foreground' | 'Orphan'): GarbageStep {
  const held = entry.object.metadata.finalizers ?? [];
  return {
    kind: 'letGo',
    entry,
    finalizers: held.filter((name) => name !== collectorFinalizers[propagation]),
  };
}

function isHeldFor(propagation: 'Foreground' | 'Orphan', object: Stored): boolean {
  const { finalizers = [] } = object.metadata;
  return isDeleted(object) && finalizers.includes(collectorFinalizers[propagation]);
}

function isDeleted({ metadata }: Stored): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function ownersOf({ metadata }: Stored): readonly OwnerReference[] {
  return metadata.ownerReferences ?? [];
}
