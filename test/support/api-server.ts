// The API server that all tests of a suite share.
import type { TestProject } from 'vitest/node';
import { controlPlaneParts, oldestControlPlaneParts, type ControlPlaneParts } from '../../tools/parts.ts';
import { steps } from '../../tools/steps.ts';
import { ControlPlane } from './control-plane.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of an administrator's kubeconfig, and of kubectl. */
    readonly kubeconfig: string;
    readonly kubectl: string;
    /** What a test starts a server of its own with. */
    readonly controlPlaneParts: ControlPlaneParts;
  }
}

/** The project's name says which Kubernetes: the one that we build the node from, or the oldest that we support. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const gather = project.name === 'api-oldest' ? oldestControlPlaneParts : controlPlaneParts;
  const parts = await gather(steps());
  const controlPlane = await ControlPlane.start(parts);
  project.provide('kubeconfig', controlPlane.kubeconfig);
  project.provide('kubectl', parts.kubectl);
  project.provide('controlPlaneParts', parts);
  return () => controlPlane.stop();
}
