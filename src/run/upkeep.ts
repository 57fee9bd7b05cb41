// What a Job that tends the volume, and takes no backup, tells the operator: its termination message.
import * as z from 'zod';
import { RetentionStatus, VerificationStatus, VolumeStatus } from '../api/neo4jbackup.ts';
import { isReason, type Reason } from '../api/reasons.ts';
import { newestPoints } from './point-mark.ts';

const UpkeepReport = z.object({
  schemaVersion: z.literal(1),
  /** `scrub` reads everything back; `prune` applies retention, and in mode Plan only says what it would do. */
  task: z.enum(['scrub', 'prune']),
  /** Name of the Job. */
  id: z.string().max(63),
  reason: z.string().refine(isReason),
  message: z.string().max(1024),
  completionTime: z.iso.datetime(),
  volume: VolumeStatus.optional(),
  retention: RetentionStatus.optional(),
  verification: VerificationStatus.optional(),
});

export type UpkeepReport = Readonly<Omit<z.output<typeof UpkeepReport>, 'reason'>> & {
  readonly reason: Reason;
};

/** The kubelet keeps 4,096 bytes of a container's message. Bytes of UTF-8. */
const maxBytes = 3_800;

/** A report as a termination message. Lists that find no room are cut, and say so. */
export function formatUpkeep(report: UpkeepReport): string {
  for (let most = 40; ; most = Math.floor(most / 2)) {
    const text = JSON.stringify(shortened(report, most));
    if (most === 0 || Buffer.byteLength(text) <= maxBytes) return text;
  }
}

function shortened(report: UpkeepReport, most: number): UpkeepReport {
  const { retention, verification } = report;
  return {
    ...report,
    ...(retention === undefined ? {} : { retention: shortList(retention, most) }),
    ...(verification?.damaged === undefined
      ? {}
      : { verification: { ...verification, damaged: [...newestPoints(verification.damaged, most)] } }),
  };
}

/** As many verdicts as asked for: those that go come first in the list, so they stay for longest. */
export function shortList(retention: RetentionStatus, most: number): RetentionStatus {
  const { points = [] } = retention;
  return points.length <= most ? retention : { ...retention, points: points.slice(0, most), truncated: true };
}

/** Reads what a container left behind. Undefined for anything that is not such a report of this Job. */
export function parseUpkeep(message: string | undefined, id: string): UpkeepReport | undefined {
  if (message === undefined || message.length > 4096) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(message);
  } catch {
    return undefined; // a killed container leaves half a line, or nothing
  }
  const parsed = UpkeepReport.safeParse(json);
  return parsed.success && parsed.data.id === id ? parsed.data : undefined;
}
