// A Job that is refused in other words each time.
import { onTestFinished, expect, test } from 'vitest';
import { KubeError } from '../../src/kube/errors.ts';
import { quiet } from '../support/fake-clock.ts';
import { Scene } from './scene.ts';

/** As an admission webhook does that names each of its requests; in the end it repeats itself, or a loop would never end. */
function refusals(most: number): KubeError {
  const error = new KubeError('forbidden', '', { status: 403 });
  let count = 0;
  return Object.defineProperty(error, 'message', {
    get: () => `denied: request ${Math.min(most, (count += 1))}`,
  });
}

test('a refusal in new words is told, and does not wake us to be refused again at once', async () => {
  const scene = new Scene();
  onTestFinished(() => scene.stop());
  scene.kube.fail({ verbs: ['create'], type: 'jobs.batch', times: Infinity, error: refusals(200) });
  scene.apply();
  await scene.start();
  await scene.settle();
  expect(scene.ready()).toBe('JobRejected');
  // One now, one each half minute: each is an offer and what was said of it.
  expect(scene.writes()).toBeLessThanOrEqual(6);

  scene.kube.clearFaults();
  await scene.settle(30_000);
  expect(scene.madeJobs()).toHaveLength(1);
});

test('a Job that was refused is offered again at once when its resource has changed', async () => {
  const scene = new Scene();
  onTestFinished(() => scene.stop());
  scene.kube.fail({ verbs: ['create'], type: 'jobs.batch', times: Infinity, error: refusals(1) });
  scene.apply();
  await scene.start();
  scene.kube.clearFaults();
  scene.edit({ consistencyCheck: 'Always' });
  await quiet();
  expect(scene.madeJobs()).toHaveLength(1);
});
