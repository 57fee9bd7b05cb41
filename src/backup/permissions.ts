// What this folder asks of the API server. Every call made here has its verb here, and the other way round.
import { group, plural } from '../api/names.ts';
import type { Permission } from '../kube/permission.ts';

const cached = ['get', 'list', 'watch'];

export const backupPermissions: readonly Permission[] = [
  { apiGroup: group, resource: plural, verbs: cached },
  // PUT with the resourceVersion seen: a stale leader loses. Spec and metadata are never written.
  { apiGroup: group, resource: `${plural}/status`, verbs: ['update'] },
  { apiGroup: 'batch', resource: 'jobs', verbs: [...cached, 'create', 'delete'] },
  { apiGroup: '', resource: 'pods', verbs: ['list', 'watch'] },
  // Only those about what is stuck (a Job without a Pod, a Pod that does not begin, its claim): nothing else tells why.
  { apiGroup: '', resource: 'events', verbs: ['list'] },
  // Watched, so that whoever waits for one goes on at once and nobody asks again and again.
  { apiGroup: '', resource: 'services', verbs: cached },
  { apiGroup: '', resource: 'persistentvolumeclaims', verbs: cached },
  // Only those of one Service, before a run starts.
  { apiGroup: 'discovery.k8s.io', resource: 'endpointslices', verbs: ['list'] },
];
