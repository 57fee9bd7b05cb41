// What the GitOps tools' own code says of objects.
import { gitopsPart } from '../../tools/parts.ts';
import { must } from '../../tools/run.ts';
import { steps } from '../../tools/steps.ts';

interface Verdict {
  readonly status: string;
  readonly message: string;
}

export interface Verdicts {
  /** By kstatus, as Flux and Helm use it. */
  readonly kstatus: Verdict;
  /** By the health check of the Kustomization. */
  readonly flux: Verdict;
  /** By the script, on the Lua interpreter of Argo CD. */
  readonly argo: Verdict;
}

export interface Question {
  readonly objects: readonly object[];
  readonly script: string;
  /** Has one health check. Fields that Flux does not know are an error. */
  readonly kustomization: unknown;
}

/** @throws Error when script or Kustomization cannot be used, with what was said of them */
export async function verdictsOn(question: Question): Promise<readonly Verdicts[]> {
  const program = await gitopsPart(steps());
  return JSON.parse(await must([program], { input: JSON.stringify(question) })) as Verdicts[];
}
