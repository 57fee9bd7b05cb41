// How the volumes stand, and what was last done for them: one series for each resource, from its status, read when it is asked for.
import { Gauge, type Registry } from '@prometheus-io/client';

/** A resource, and as much of its status as becomes numbers. */
export interface Measured {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
  readonly status?:
    | {
        readonly volume?:
          | (Partial<Record<VolumeNumber, number | undefined>> & {
              readonly fullTime?: string | undefined;
            })
          | undefined;
        readonly retention?: { readonly condemned: number; readonly removed: number } | undefined;
        readonly lastVerification?: { readonly result: string; readonly completionTime: string } | undefined;
      }
    | undefined;
}

type VolumeNumber =
  'totalBytes' | 'freeBytes' | 'backupBytes' | 'points' | 'growthBytesPerDay' | 'policyBytes';

interface Row {
  readonly name: string;
  readonly help: string;
  /** Undefined: nobody knows, and there is no series. */
  readonly read: (status: NonNullable<Measured['status']>) => number | undefined;
}

function ofVolume(name: string, field: VolumeNumber, help: string): Row {
  return { name: `volume_${name}`, help, read: ({ volume }) => volume?.[field] };
}

const rows: readonly Row[] = [
  ofVolume('total_bytes', 'totalBytes', 'Size of the file system, when a Job last saw it. Bytes.'),
  ofVolume('free_bytes', 'freeBytes', 'What was left of it for others than root. Bytes.'),
  ofVolume('backup_bytes', 'backupBytes', 'Sizes of all restore points, added up. Bytes.'),
  ofVolume('points', 'points', 'Restore points. Number.'),
  ofVolume(
    'growth_per_day_bytes',
    'growthBytesPerDay',
    'What the volume fills by each day; there is none while there are too few restore points to tell. Bytes.',
  ),
  {
    name: 'volume_full_time_seconds',
    help: 'When the volume will be full if it goes on so; there is none where that is not foreseeable. Seconds since 1970.',
    read: ({ volume }) => secondsOf(volume?.fullTime),
  },
  ofVolume('policy_bytes', 'policyBytes', 'What the policy of retention comes to at most. Bytes.'),
  {
    name: 'last_verification_time_seconds',
    help: 'When the last verification of everything on the volume ended. Seconds since 1970.',
    read: ({ lastVerification }) => secondsOf(lastVerification?.completionTime),
  },
  {
    name: 'last_verification_success',
    help: '1 where all was found to be what was written, else 0.',
    read: ({ lastVerification }) =>
      lastVerification === undefined ? undefined : Number(lastVerification.result === 'Succeeded'),
  },
  {
    name: 'retention_condemned',
    help: 'Restore points that no rule keeps and that are still there. Number.',
    read: ({ retention }) => retention?.condemned,
  },
  {
    name: 'retention_removed',
    help: 'Restore points that went when the policy was last applied. Number.',
    read: ({ retention }) => retention?.removed,
  },
];

function secondsOf(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time) / 1_000;
}

/** @param measured what is known at the moment; nothing where another replica leads */
export function addVolumeMetrics(
  registry: Registry,
  prefix: string,
  measured: () => readonly Measured[],
): void {
  for (const { name, help, read } of rows) {
    const gauge: Gauge<string> = new Gauge({
      name: `${prefix}_${name}`,
      help,
      labelNames: ['namespace', 'name'],
      registers: [registry],
      collect: () => {
        gauge.reset(); // a resource may be gone
        for (const { metadata, status = {} } of measured()) {
          const value = read(status);
          if (value === undefined) continue;
          gauge.set({ namespace: metadata.namespace ?? '', name: metadata.name }, value);
        }
      },
    });
  }
}
