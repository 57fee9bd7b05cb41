// What speaks against a run, given everything seen in this pass and what the operator is configured to allow. Pure.
import { isIP } from 'node:net';
import type { StalledReason, WaitingReason } from '../api/reasons.ts';
import { refuseOptions } from '../engine/options.ts';
import { selectEngine, servedVersions } from '../engine/select.ts';
import { refusedAs } from '../run/address.ts';
import { isAllowedHost, isAllowedImage } from './allowed.ts';
import { shareMemory } from './memory.ts';
import { timingProblem } from './calendar.ts';
import type { Observed } from './observe.ts';
import type { Neo4jBackup } from './resources.ts';
import { timingOf } from './timing.ts';
import { destinationPath } from './run.ts';
import { parseSchedule } from './schedule.ts';

/** What the operator's configuration decides. */
export interface Policy {
  readonly agentImage: string;
  /** Hosts that a resource may name: exact names, `*.suffix`, or `*`. */
  readonly allowedHosts: readonly string[];
  /** Images that a run may use for the tool: exact, or with `*` and `**` (allowed.ts). Empty: every image. */
  readonly allowedImages: readonly string[];
}

/** Stalled: only an edit can help. Waiting: it may go away by itself. */
export type Objection =
  | { readonly kind: 'stalled'; readonly reason: StalledReason; readonly detail: string }
  | { readonly kind: 'waiting'; readonly reason: WaitingReason; readonly detail: string };

type Rule = (seen: Observed, policy: Policy) => Objection | undefined;

/** What only an edit can mend comes first. */
const always: readonly Rule[] = [
  versionServed,
  databasesNamed,
  imageOfVersion,
  licenseAccepted,
  imageAllowed,
  hostAllowed,
  tlsServed,
  toolSettable,
  memoryFits,
  scheduleMeant,
  sourceThere,
  folderFree,
  claimThere,
];

/** A server that is away concerns nobody until a run is due. */
const whenDue: readonly Rule[] = [...always, serverThere];

/** Why no run may start, if so. */
export function objectionTo(seen: Observed, policy: Policy, isDue: boolean): Objection | undefined {
  for (const rule of isDue ? whenDue : always) {
    const objection = rule(seen, policy);
    if (objection !== undefined) return objection;
  }
  return undefined;
}

function versionServed({ backup }: Observed): Objection | undefined {
  const { version } = backup.spec.neo4j;
  if (selectEngine(version) !== undefined) return undefined;
  const detail = `spec.neo4j.version is ${version}; served are ${servedVersions}`;
  return { kind: 'stalled', reason: 'UnsupportedVersion', detail };
}

function databasesNamed({ backup }: Observed): Objection | undefined {
  const { databases, allDatabases, neo4j } = backup.spec;
  const asked = databases === undefined ? allDatabases : databases.join(', ');
  if (asked === undefined || selectEngine(neo4j.version)?.databases !== 'one') return undefined;
  const field = databases === undefined ? 'spec.allDatabases' : 'spec.databases';
  const detail = `${field} is ${String(asked)}, and spec.neo4j.version ${neo4j.version}`;
  return { kind: 'stalled', reason: 'DatabasesNotSupported', detail };
}

/** Only the tags of images that are called neo4j, or neo4j-admin, are versions of Neo4j: others count as they like. */
function imageOfVersion({ backup }: Observed): Objection | undefined {
  const { image = '', version } = backup.spec.neo4j;
  const tag = /(?:^|\/)neo4j(?:-admin)?:(\d+\.\d+)[^/]*$/.exec(image)?.[1];
  if (tag === undefined || version === tag || version.startsWith(`${tag}.`) || version.startsWith(`${tag}-`))
    return undefined;
  const detail = `spec.neo4j.image is ${image}, and spec.neo4j.version ${version}`;
  return { kind: 'stalled', reason: 'ImageVersionMismatch', detail };
}

function licenseAccepted({ backup }: Observed): Objection | undefined {
  const { image, acceptLicenseAgreement, version } = backup.spec.neo4j;
  const isAsked = image === undefined && selectEngine(version)?.asksForLicense === true;
  if (!isAsked || acceptLicenseAgreement === true) return undefined;
  const detail = 'Neither spec.neo4j.image nor spec.neo4j.acceptLicenseAgreement is set';
  return { kind: 'stalled', reason: 'LicenseNotAccepted', detail };
}

function hostAllowed({ backup }: Observed, { allowedHosts }: Policy): Objection | undefined {
  const { host } = backup.spec.source;
  if (host === undefined) return undefined;
  // What a name resolves to is for the agent to see: it is where the connection is made, and it may change.
  const what = isIP(host) === 0 ? undefined : refusedAs(host);
  if (what !== undefined)
    return {
      kind: 'stalled',
      reason: 'HostNotAllowed',
      detail: `spec.source.host is ${host}, ${what}: no allowedHosts lets it in`,
    };
  if (isAllowedHost(host, allowedHosts)) return undefined;
  const detail = `spec.source.host is ${host}; allowed are: ${allowedHosts.join(', ') || 'none'}`;
  return { kind: 'stalled', reason: 'HostNotAllowed', detail };
}

function imageAllowed({ backup }: Observed, { allowedImages }: Policy): Objection | undefined {
  const { image, version } = backup.spec.neo4j;
  const used = image ?? selectEngine(version)?.defaultImage(version) ?? '';
  if (allowedImages.length === 0 || isAllowedImage(used, allowedImages)) return undefined;
  const what =
    image === undefined ? `The default image of spec.neo4j.version ${version}` : 'spec.neo4j.image';
  const detail = `${what} is ${used}; allowed are: ${allowedImages.join(', ')}`;
  return { kind: 'stalled', reason: 'ImageNotAllowed', detail };
}

function tlsServed({ backup }: Observed): Objection | undefined {
  const { source, neo4j } = backup.spec;
  const engine = selectEngine(neo4j.version);
  if (source.tls === undefined || engine === undefined) return undefined;
  const { version } = neo4j;
  if (engine.settings.tls === undefined)
    return stalled('TLSNotSupported', `spec.source.tls is set, and the tool of ${version} speaks no TLS`);
  if (source.tls.verifyHostname === undefined || engine.hostnameCheck(version) !== 'never') return undefined;
  return stalled(
    'OptionNotSupported',
    `spec.source.tls.verifyHostname is set, and the tool of ${version} cannot be told so`,
  );
}

function toolSettable({ backup }: Observed): Objection | undefined {
  const { version, tool = {} } = backup.spec.neo4j;
  const engine = selectEngine(version);
  if (engine === undefined) return undefined;
  if (tool.pageCacheSize !== undefined && !engine.memory.takesPageCache(version))
    return stalled(
      'OptionNotSupported',
      `spec.neo4j.tool.pageCacheSize is set, and the tool of ${version} cannot be told so`,
    );
  const refused = refuseOptions(engine.options(version), tool.options ?? {});
  return refused === undefined
    ? undefined
    : stalled('OptionNotSupported', `spec.neo4j.tool.options: with the tool of ${version}, ${refused}`);
}

function memoryFits({ backup }: Observed): Objection | undefined {
  const engine = selectEngine(backup.spec.neo4j.version);
  if (engine === undefined) return undefined;
  const shared = shareMemory(backup, engine.memory);
  return shared.kind === 'fits'
    ? undefined
    : stalled('ToolMemoryInvalid', `In spec.neo4j.tool, ${shared.problem}`);
}

function scheduleMeant({ backup, now }: Observed): Objection | undefined {
  const problem =
    verificationProblem(backup.spec) ?? timingProblem(timingOf(backup), backup.metadata.uid, now);
  return problem === undefined ? undefined : stalled('InvalidSchedule', problem);
}

function verificationProblem({ verification }: Neo4jBackup['spec']): string | undefined {
  const parsed = verification === undefined ? undefined : parseSchedule(verification.schedule);
  if (parsed?.kind !== 'invalid') return undefined;
  return `spec.verification.schedule is "${verification?.schedule ?? ''}": ${parsed.problem}`;
}

function folderFree({ backup, rival }: Observed): Objection | undefined {
  if (rival === undefined) return undefined;
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  const detail = `The resource ${rival}, which is older, writes to the folder ${destinationPath(backup)} of the claim ${claimName}`;
  return { kind: 'waiting', reason: 'DestinationConflict', detail };
}

function stalled(reason: StalledReason, detail: string): Objection {
  return { kind: 'stalled', reason, detail };
}

function sourceThere({ backup, service }: Observed): Objection | undefined {
  const name = backup.spec.source.serviceRef?.name ?? '';
  if (service === 'externalName')
    return {
      kind: 'stalled',
      reason: 'ExternalNameRefused',
      detail: `The Service ${name} is of type ExternalName`,
    };
  if (service === 'unexposed')
    return {
      kind: 'waiting',
      reason: 'PortNotExposed',
      detail: `The Service ${name} has no port ${backup.spec.source.port}`,
    };
  if (service !== 'absent') return undefined;
  const detail = `There is no Service ${name} in the namespace ${backup.metadata.namespace}`;
  return { kind: 'waiting', reason: 'ServiceNotFound', detail };
}

function serverThere({ backup, isServerReady }: Observed): Objection | undefined {
  if (isServerReady !== false) return undefined;
  const detail = `The Service ${backup.spec.source.serviceRef?.name ?? ''} has no ready endpoint`;
  return { kind: 'waiting', reason: 'NoReadyEndpoints', detail };
}

function claimThere({ backup, claimExists }: Observed): Objection | undefined {
  if (claimExists) return undefined;
  const { claimName } = backup.spec.destination.persistentVolumeClaim;
  const detail = `There is no claim ${claimName} in the namespace ${backup.metadata.namespace}`;
  return { kind: 'waiting', reason: 'ClaimNotFound', detail };
}
