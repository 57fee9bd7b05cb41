// How the node's own small programs talk to the API server: watches, and calls that change something.
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { readKubeconfig, type User } from './certificates.ts';
import { apiServer, placesIn } from './places.ts';

interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

export interface NodeClient {
  /** A call that changes something. "There already" and "not there any more" are what was wanted. */
  readonly change: (method: string, path: string, body?: unknown) => Promise<void>;
  /**
   * Shows every object of that kind as it is now, then a bookmark, then every change, for ever. A lost connection or a
   * step that failed heals by doing so anew, which `begin` tells.
   */
  readonly watch: (
    path: string,
    see: (change: Change) => Promise<void>,
    begin?: () => void,
  ) => Promise<never>;
}

export function nodeClient(folder: string, user: User): NodeClient {
  const { authority, token } = readKubeconfig(placesIn(folder).kubeconfig(user));
  const agent = new Agent({ ca: authority, keepAlive: true });

  async function call(method: string, path: string, body?: unknown): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const sent = request(`${apiServer}${path}`, { method, agent, headers }, resolve);
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async function watchOnce(path: string, see: (change: Change) => Promise<void>): Promise<void> {
    const start = 'sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan';
    const response = await call('GET', `${path}?watch=true&${start}`);
    for await (const line of createInterface({ input: response })) await see(JSON.parse(line) as Change);
  }

  return {
    async change(method, path, body) {
      const response = await call(method, path, body);
      const answer = await text(response);
      const { statusCode = 0 } = response;
      if (statusCode >= 400 && statusCode !== 404 && statusCode !== 409)
        throw new Error(`${method} ${path}: ${answer}`);
    },
    async watch(path, see, begin) {
      for (;;) {
        begin?.();
        await watchOnce(path, see).catch(console.error);
        await sleep(500);
      }
    },
  };
}
