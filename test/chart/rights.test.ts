// What the operator, and people, may do with a release, as a real API server sees it: what the code declares, and no more.
import { afterEach, describe, expect, test } from 'vitest';
import { group, plural } from '../../src/api/names.ts';
import type { Permission } from '../../src/kube/permission.ts';
import { leasePermissions } from '../../src/runtime/leader.ts';
import { watchPermissions } from '../../tools/chart.ts';
import { mustKubectl, type Manifest } from './helm.ts';
import { cleanUp, mustInstall, uninstall } from './release.ts';

afterEach(cleanUp);

interface Rules {
  readonly status: {
    readonly resourceRules: readonly {
      readonly apiGroups: readonly string[];
      readonly resources?: readonly string[];
      readonly verbs: readonly string[];
      readonly resourceNames?: readonly string[];
    }[];
  };
}

function cross(permissions: readonly Permission[]): readonly string[] {
  return permissions.flatMap(({ apiGroup, resource, verbs, resourceNames = ['*'] }) =>
    verbs.flatMap((verb) => resourceNames.map((name) => `${verb} ${resource}.${apiGroup} ${name}`)),
  );
}

/** What the API server says that an account may do in a namespace, beyond what any account may. Sorted. */
async function rightsOf(account: string, namespace: string): Promise<readonly string[]> {
  const ask = async (user: string): Promise<readonly string[]> => {
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectRulesReview',
      spec: { namespace },
    };
    const as = `system:serviceaccount:${user}`;
    const text = await mustKubectl(
      ['create', '--output=json', '--as', as, '--validate=false', '-f', '-'],
      JSON.stringify(review),
    );
    const { resourceRules } = (JSON.parse(text) as Rules).status;
    return resourceRules.flatMap(({ apiGroups, resources = [], verbs, resourceNames }) =>
      apiGroups.flatMap((apiGroup) =>
        resources.flatMap((resource) =>
          cross([{ apiGroup, resource, verbs, ...(resourceNames ? { resourceNames } : {}) }]),
        ),
      ),
    );
  };
  const [rights, anybodys] = [await ask(account), await ask('default:nobody')];
  return [...new Set(rights)].filter((right) => !anybodys.includes(right)).toSorted();
}

describe('what the operator may do, as the API server sees it', () => {
  const watched = cross(watchPermissions).toSorted();
  const whole = [...watched, ...cross(leasePermissions)].toSorted();

  test('is what the code declares, in all namespaces', async () => {
    await mustInstall('wide', 'operators-wide', { crds: { enabled: false } });
    const account = 'operators-wide:wide-neo4j-backup-operator';
    expect(await rightsOf(account, 'default')).toEqual(watched);
    expect(await rightsOf(account, 'operators-wide')).toEqual(whole);
    await uninstall('wide', 'operators-wide');
    expect(await rightsOf(account, 'default')).toEqual([]);
  });

  test('is that in the namespaces that are watched, and nothing in any other', async () => {
    for (const name of ['watched', 'watched-too']) await mustKubectl(['create', 'namespace', name]);
    await mustInstall('narrow', 'operators-narrow', {
      watchNamespaces: ['watched', 'watched-too'],
      crds: { enabled: false },
    });
    const account = 'operators-narrow:narrow-neo4j-backup-operator';
    expect(await rightsOf(account, 'watched')).toEqual(watched);
    expect(await rightsOf(account, 'watched-too')).toEqual(watched);
    expect(await rightsOf(account, 'operators-narrow')).toEqual(cross(leasePermissions).toSorted());
    expect(await rightsOf(account, 'default')).toEqual([]);
    await uninstall('narrow', 'operators-narrow');
  });

  test('holds nothing that a backup operator should never have', () => {
    const never =
      /secrets|exec|\/log|impersonate|escalate|bind|customresourcedefinitions|^(create|patch|update) pods|\*\./;
    expect(whole.filter((right) => never.test(right))).toEqual([]);
    const ours = whole.filter(
      (right) => right.includes(`${plural}.${group}`) && !/^(get|list|watch) /.test(right),
    );
    expect(ours).toEqual([]);
  });
});

describe('what people may do', () => {
  test('is read with view, written with edit, and the status with neither', async () => {
    await mustInstall('people', 'people', { crds: { enabled: false } });
    const roles = await mustKubectl([
      'get',
      'clusterrole',
      '--output=json',
      '--selector=app.kubernetes.io/instance=people',
    ]);
    const { items } = JSON.parse(roles) as { readonly items: readonly Manifest[] };
    const verbs = (name: string): unknown => {
      const role = items.find(({ metadata }) => metadata.name === `people-neo4j-backup-operator-${name}`);
      return role?.['rules'];
    };
    const read = ['get', 'list', 'watch'];
    const rule = { apiGroups: [group], resources: [plural] };
    expect(verbs('view')).toEqual([{ ...rule, verbs: read }]);
    expect(verbs('edit')).toEqual([
      { ...rule, verbs: [...read, 'create', 'update', 'patch', 'delete', 'deletecollection'] },
    ]);
    await uninstall('people', 'people');
  });
});
