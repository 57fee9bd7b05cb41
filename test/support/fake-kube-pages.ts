// Lists page by page, as the API server gives them: all pages show the moment of the first one, until that is forgotten.
import { KubeError } from '../../src/kube/errors.ts';
import type { KubeObject, Resource } from '../../src/kube/resource.ts';
import type { FakeKube } from './fake-kube.ts';

interface Snapshot {
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
}

/** Items come without apiVersion and kind. */
interface Page {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly object[];
}

export class Pages {
  readonly #fake: FakeKube;
  readonly #snapshots: Snapshot[] = [];

  constructor(fake: FakeKube) {
    this.#fake = fake;
  }

  /** @throws {KubeError} `expired` when the position belongs to a moment that is forgotten. */
  async page(resource: Resource, namespace: string | undefined, query: URLSearchParams): Promise<Page> {
    const labelSelector = query.get('labelSelector') ?? undefined;
    const fieldSelector = query.get('fieldSelector') ?? undefined;
    // Asked for each page, so that the fake counts each one.
    const now = await this.#fake.list(resource, { namespace, labelSelector, fieldSelector });
    const token = query.get('continue') ?? '';
    const { id, start } = token === '' ? { id: this.#snapshots.push(now) - 1, start: 0 } : parseToken(token);
    const shown = this.#snapshots[id];
    if (shown === undefined || !this.#fake.remembers(shown.resourceVersion)) {
      const message = 'The provided continue parameter is too old to display a consistent list result.';
      throw new KubeError('expired', message, { status: 410, reason: 'Expired' });
    }
    const { items, resourceVersion } = shown;
    const end = start + Number(query.get('limit') ?? items.length);
    const rest = end < items.length ? { continue: `${id}.${end}` } : {};
    const page = items.slice(start, end).map(({ kind: _kind, apiVersion: _apiVersion, ...item }) => item);
    return {
      kind: `${resource.kind}List`,
      apiVersion: 'v1',
      metadata: { resourceVersion, ...rest },
      items: page,
    };
  }
}

function parseToken(token: string): { readonly id: number; readonly start: number } {
  const [, id, start] = /^(\d+)\.(\d+)$/.exec(token) ?? [];
  if (id === undefined || start === undefined)
    throw new KubeError('invalid', 'continue key is not valid', { status: 400, reason: 'BadRequest' });
  return { id: Number(id), start: Number(start) };
}
