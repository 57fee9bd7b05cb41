// What was asked of the API server, by whom: its audit log.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { z } from 'zod';
import { placesIn } from './places.ts';

/** One request that was answered; a watch counts from its first answer. */
export interface AuditEntry {
  /** When the request arrived, in milliseconds since 1970. */
  readonly time: number;
  /** When it was answered, in milliseconds since 1970. */
  readonly answered: number;
  /** In whose name, also when somebody else spoke for them; empty when the credentials were refused. */
  readonly user: string;
  /** Which program, as it calls itself; empty when it does not. */
  readonly userAgent: string;
  /** As a role names it: `create`, `watch`, `deletecollection`, ... */
  readonly verb: string;
  /** API group; empty for the core group. */
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  /** HTTP status of the answer. */
  readonly code: number;
}

/** Whose requests are left out: the node's own programs, which never stop asking. */
const nodeUsers = [
  'system:apiserver',
  'system:kube-controller-manager',
  'system:kube-scheduler',
  'system:kube-proxy',
  'coredns',
  'provisioner',
  'enforcer',
];

/**
 * Every request for a resource, by its outlines. `ResponseStarted` exists for watches and the like alone, whose end
 * may be days away.
 */
export function auditPolicy(): unknown {
  return {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [
      { level: 'None', users: nodeUsers },
      // The second group: the accounts of the controller manager's parts.
      { level: 'None', userGroups: ['system:nodes', 'system:serviceaccounts:kube-system'] },
      { level: 'None', nonResourceURLs: ['*'] },
      { level: 'Metadata' },
    ],
  };
}

/** A request that nobody could be found for, answered with 401, has an empty person. */
const person = z.object({ username: z.string().default('') });

const event = z
  .object({
    auditID: z.string(),
    requestReceivedTimestamp: z.iso.datetime({ precision: 6 }),
    stageTimestamp: z.iso.datetime({ precision: 6 }),
    verb: z.string(),
    user: person,
    impersonatedUser: person.optional(),
    userAgent: z.string().default(''),
    objectRef: z.object({
      apiGroup: z.string().default(''),
      resource: z.string(),
      subresource: z.string().optional(),
      namespace: z.string().optional(),
      name: z.string().optional(),
    }),
    responseStatus: z.object({ code: z.number() }),
  })
  .transform(({ auditID, objectRef: { apiGroup, ...object }, ...request }): [string, AuditEntry] => [
    auditID,
    {
      time: Date.parse(request.requestReceivedTimestamp),
      answered: Date.parse(request.stageTimestamp),
      user: (request.impersonatedUser ?? request.user).username,
      userAgent: request.userAgent,
      verb: request.verb,
      group: apiGroup,
      resource: object.resource,
      ...(object.subresource !== undefined && { subresource: object.subresource }),
      ...(object.namespace !== undefined && { namespace: object.namespace }),
      ...(object.name !== undefined && { name: object.name }),
      code: request.responseStatus.code,
    },
  ]);

/** An audit log, read as it grows. */
export class AuditLog {
  readonly #path: string;
  readonly #entries: AuditEntry[] = [];
  /** A watch has two entries: its first answer, and its end. */
  readonly #known = new Set<string>();
  #position = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The entries so far, oldest answer first. The server writes an entry when it has answered: who has just asked
   * something may be here before it.
   * @throws Error when a line is not what the server of our version writes
   */
  read(): readonly AuditEntry[] {
    for (const line of this.#wholeLines().split('\n').filter(Boolean)) {
      const [id, entry] = event.parse(JSON.parse(line));
      if (this.#known.has(id)) continue;
      this.#known.add(id);
      this.#entries.push(entry);
    }
    return this.#entries;
  }

  #wholeLines(): string {
    const file = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#position);
      readSync(file, bytes, 0, bytes.length, this.#position);
      const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1); // the last line may still be growing
      this.#position += whole.length;
      return whole.toString('utf8');
    } finally {
      closeSync(file);
    }
  }
}

/** The entries so far of a cluster; see {@link AuditLog.read}. */
export function readAuditLog(folder: string): readonly AuditEntry[] {
  return new AuditLog(placesIn(folder).log('audit')).read();
}
