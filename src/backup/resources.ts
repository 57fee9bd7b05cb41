// The kinds that the Neo4jBackup controller reads, and as much of each as it reads.
import * as z from 'zod';
import { group, kind, plural, version } from '../api/names.ts';
import { Neo4jBackupSpec, Neo4jBackupStatus } from '../api/neo4jbackup.ts';
import { kubeObjectSchema, type Resource } from '../kube/resource.ts';

const backupSchema = kubeObjectSchema.extend({ spec: Neo4jBackupSpec, status: Neo4jBackupStatus.optional() });
export type Neo4jBackup = Readonly<z.output<typeof backupSchema>>;
export const backups: Resource<Neo4jBackup> = { group, version, plural, kind, schema: backupSchema };

const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
  /** Null: an instant that nobody has set is written so. */
  lastTransitionTime: z.string().nullish(),
});

const jobSchema = kubeObjectSchema.extend({
  status: z.object({ conditions: z.array(condition).optional() }).optional(),
});
export type Job = Readonly<z.output<typeof jobSchema>>;
export const jobs: Resource<Job> = {
  group: 'batch',
  version: 'v1',
  plural: 'jobs',
  kind: 'Job',
  schema: jobSchema,
};

const containerStatus = z.object({
  name: z.string(),
  state: z
    .object({
      waiting: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
      running: z.object({}).optional(),
      terminated: z
        .object({
          exitCode: z.int(),
          reason: z.string().optional(),
          message: z.string().optional(),
        })
        .optional(),
    })
    .optional(),
});

const podSchema = kubeObjectSchema.extend({
  status: z
    .object({
      phase: z.string().optional(),
      reason: z.string().optional(),
      message: z.string().optional(),
      conditions: z.array(condition).optional(),
      initContainerStatuses: z.array(containerStatus).optional(),
      containerStatuses: z.array(containerStatus).optional(),
    })
    .optional(),
});
export type Pod = Readonly<z.output<typeof podSchema>>;
export type ContainerStatus = z.output<typeof containerStatus>;
export const pods: Resource<Pod> = {
  group: '',
  version: 'v1',
  plural: 'pods',
  kind: 'Pod',
  schema: podSchema,
};

/** Of what we only look up we keep next to nothing: a cluster may have many of them. */
const bareSchema = kubeObjectSchema.extend({
  metadata: kubeObjectSchema.shape.metadata.omit({ labels: true, annotations: true, ownerReferences: true }),
});

const claimSchema = bareSchema.extend({
  spec: z.object({ accessModes: z.array(z.string()).optional() }).optional(),
  status: z.object({ phase: z.string().optional() }).optional(),
});
export type Claim = z.output<typeof claimSchema>;
export const claims: Resource<Claim> = {
  group: '',
  version: 'v1',
  plural: 'persistentvolumeclaims',
  kind: 'PersistentVolumeClaim',
  schema: claimSchema,
};

const serviceSchema = bareSchema.extend({
  spec: z
    .object({
      type: z.string().optional(),
      clusterIP: z.string().optional(),
      ports: z.array(z.object({ port: z.int() })).optional(),
    })
    .optional(),
});
export type Service = z.output<typeof serviceSchema>;
export const services: Resource<Service> = {
  group: '',
  version: 'v1',
  plural: 'services',
  kind: 'Service',
  schema: serviceSchema,
};

const endpointSliceSchema = kubeObjectSchema.extend({
  endpoints: z
    .array(z.object({ conditions: z.object({ ready: z.boolean().nullish() }).nullish() }))
    .nullish(),
});
export type EndpointSlice = z.output<typeof endpointSliceSchema>;
export const endpointSlices: Resource<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  kind: 'EndpointSlice',
  schema: endpointSliceSchema,
};

/** What others said of an object. Read only for what is stuck: nothing else tells why. */
const eventSchema = kubeObjectSchema.extend({
  reason: z.string().nullish(),
  message: z.string().nullish(),
  lastTimestamp: z.string().nullish(),
});
export type Event = z.output<typeof eventSchema>;
export const events: Resource<Event> = {
  group: '',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  schema: eventSchema,
};
