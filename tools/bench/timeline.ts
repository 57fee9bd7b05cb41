// When the containers of a Pod began and ended. A Pod's status tells whole seconds; containerd's log tells all.

/** All times in milliseconds since 1970. */
export interface Timeline {
  /** The sandbox: network and the process that holds it. */
  readonly sandbox: { readonly askedAt: number; readonly readyAt: number };
  readonly containers: readonly Life[];
}

export interface Life {
  readonly name: string;
  readonly askedAt: number;
  readonly startedAt: number;
  readonly exitedAt: number;
}

interface Line {
  readonly time: number;
  readonly text: string;
}

function parse(log: string): readonly Line[] {
  return [...log.matchAll(/^time="([^"]+)" level=\w+ msg="((?:[^"\\]|\\.)*)"/gm)].map(
    ([, time = '', text = '']) => ({ time: Date.parse(time), text: text.replaceAll('\\"', '"') }),
  );
}

/**
 * What the log of containerd tells of a Pod.
 * @throws Error that names what the log does not tell: the Pod has not come so far, or containerd words it otherwise
 */
export function timelineOf(log: string, pod: string): Timeline {
  const lines = parse(log);
  const find = (...words: readonly string[]): Line => {
    const found = lines.find(({ text }) => words.every((word) => text.includes(word)));
    if (!found) throw new Error(`containerd's log has no line with ${words.join(' … ')}`);
    return found;
  };
  const asked = find('RunPodSandbox for', `name:"${pod}"`);
  const ready = find('RunPodSandbox for', `name:"${pod}"`, 'returns sandbox id');
  const within = `CreateContainer within sandbox "${lastWord(ready)}"`;
  const created = lines.filter(
    ({ text }) => text.startsWith(within) && text.includes('returns container id'),
  );
  const containers = created.map((line): Life => {
    const [, name = ''] = /name:"([^"]+)"/.exec(line.text) ?? [];
    const id = lastWord(line);
    return {
      name,
      askedAt: find(within, `for container name:"${name}"`).time,
      startedAt: find('StartContainer for', id, 'returns successfully').time,
      exitedAt: find('received container exit event', id).time,
    };
  });
  return { sandbox: { askedAt: asked.time, readyAt: ready.time }, containers };
}

function lastWord({ text }: Line): string {
  return /"([^"]+)"$/.exec(text)?.[1] ?? '';
}
