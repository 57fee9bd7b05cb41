// What was asked of the API server, by whom: its audit log.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { placesIn } from './places.ts';

/** One request that was answered; a watch counts from its first answer. */
export interface AuditEntry {
  /** When the request arrived, in milliseconds since 1970. */
  readonly time: number;
  /** In whose name, also when somebody else spoke for them. */
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

const person = z.object({ username: z.string() });

const event = z
  .object({
    auditID: z.string(),
    requestReceivedTimestamp: z.iso.datetime({ precision: 6 }),
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

/**
 * The entries so far, oldest answer first. The server writes an entry when it has answered: who has just asked
 * something may be here before it.
 * @throws Error when a line is not what the server of our version writes
 */
export function readAuditLog(folder: string): readonly AuditEntry[] {
  const text = readFileSync(placesIn(folder).log('audit'), 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1); // the last line may still be growing
  const entries = new Map<string, AuditEntry>();
  for (const line of whole.split('\n').filter(Boolean)) {
    const [id, entry] = event.parse(JSON.parse(line));
    if (!entries.has(id)) entries.set(id, entry); // the end of a watch that was seen to begin
  }
  return [...entries.values()];
}
