import { configDefaults, defineConfig } from 'vitest/config';
import { bugs } from './test/faults/bugs.ts';
import { mutants } from './test/faults/mutant.ts';

/** Longer than anything that waits inside a test: what waits there says better what it waited for. */
const minutes = (n: number): number => n * 60_000;

/** What talks to an API server alone. It runs on the newest and on the oldest Kubernetes that we support. */
const api = {
  include: ['contract', 'crd', 'docs', 'gitops'].map((folder) => `test/${folder}/**/*.test.ts`),
  exclude: [...configDefaults.exclude, 'test/contract/cluster.test.ts'],
  globalSetup: ['test/support/api-server.ts'],
  testTimeout: minutes(1),
};

/** One suite of tests each for clients and for clusters, on the fake and on the real thing. */
const contract = {
  include: [
    'src/kube/client.test.ts',
    'test/support/fake-{cluster,kind}.test.ts',
    'test/contract/{api-server,cluster}.test.ts',
  ],
  globalSetup: ['test/support/api-server.ts'],
  testTimeout: minutes(2), // more than a test waits for anything
  hookTimeout: minutes(2), // a control plane with controllers starts
};

export default defineConfig({
  test: {
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary'] },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src', 'tools', 'test/support', 'test/flow'].map((folder) => `${folder}/**/*.test.ts`),
          testTimeout: minutes(1), // a property test on a machine that does something else, too
        },
      },
      {
        plugins: [mutants(bugs)],
        test: { name: 'faults', include: ['test/faults/**/*.test.ts'], testTimeout: minutes(10) },
      },
      { test: { name: 'volume', include: ['test/volume/**/*.test.ts'], testTimeout: minutes(10) } },
      { test: { name: 'time', include: ['test/time/**/*.test.ts'], testTimeout: minutes(10) } },
      { test: { ...contract, name: 'contract' } },
      { test: { ...api, name: 'api' } },
      { test: { ...api, name: 'api-oldest' } },
      {
        test: {
          name: 'chart',
          include: ['test/chart/**/*.test.ts'],
          globalSetup: ['test/support/api-server.ts'],
          testTimeout: minutes(2),
          fileParallelism: false, // one server, and one CRD on it, which comes and goes
        },
      },
      {
        test: {
          name: 'engine',
          include: ['test/engine/**/*.test.ts'],
          testTimeout: minutes(5),
          maxWorkers: 2, // each waits for its JVMs and its network for half of its time
        },
      },
      {
        test: {
          name: 'image',
          include: ['test/image/**/*.test.ts'],
          testTimeout: minutes(1),
          hookTimeout: minutes(10),
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          testTimeout: minutes(5),
          hookTimeout: minutes(40),
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: minutes(6),
          hookTimeout: minutes(40),
        },
      },
    ],
  },
});
