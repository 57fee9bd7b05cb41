// The answer to a write comes later than the watch, which by then tells of something newer.
import { onTestFinished, expect, test } from 'vitest';
import { aReport } from '../support/builders.ts';
import { quiet } from '../support/fake-clock.ts';
import { Scene } from './scene.ts';

test('a trigger that was set between a status write and its answer is not lost', async () => {
  const scene = new Scene();
  onTestFinished(() => scene.stop());
  await scene.start();
  scene.apply({ trigger: { id: 'first' } });
  await scene.settle();
  const answer = scene.kube.replaceStatus.bind(scene.kube);
  scene.kube.replaceStatus = async (...args) => {
    const answered = await answer(...args);
    if (scene.status().lastRun !== undefined && scene.backup().spec.trigger?.id === 'first') {
      scene.trigger('second');
      await quiet();
    }
    return answered;
  };

  scene.finish(scene.activeJob(), aReport());
  await scene.settle();

  expect(scene.madeJobs()).toHaveLength(2);
});
