// A real API server with its etcd, on loopback, nothing else: one that a test may have to itself, and kill. Needs no root.
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { etcdFlags, freePorts, serverFlags } from '../../tools/control-plane.ts';
import type { ControlPlaneParts } from '../../tools/parts.ts';
import { output } from '../../tools/run.ts';

/** How long the server may take to be ready, on a machine that does something else besides. Milliseconds. */
const patienceMs = 60_000;

interface Ports {
  readonly client: number;
  readonly peer: number;
  readonly secure: number;
}

export class ControlPlane {
  /** Path of an administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** URL of etcd, which outlives whatever happens to the API server. */
  readonly etcd: string;
  readonly #parts: ControlPlaneParts;
  readonly #ports: Ports;
  readonly #folder = mkdtempSync(join(tmpdir(), 'api-server-'));
  #database: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  private constructor(parts: ControlPlaneParts, ports: Ports) {
    this.#parts = parts;
    this.#ports = ports;
    this.etcd = `http://127.0.0.1:${ports.client}`;
    const token = randomBytes(16).toString('hex');
    writeFiles(this.#folder, token);
    this.kubeconfig = writeKubeconfig(this.#folder, ports.secure, token);
  }

  /** Resolves when the API server is ready. */
  static async start(parts: ControlPlaneParts): Promise<ControlPlane> {
    const [client = 0, peer = 0, secure = 0] = await freePorts(3);
    const controlPlane = new ControlPlane(parts, { client, peer, secure });
    try {
      controlPlane.#database = controlPlane.#spawn(
        'etcd',
        etcdFlags(controlPlane.#folder, controlPlane.#ports),
      );
      await controlPlane.startServer();
    } catch (error) {
      await controlPlane.stop();
      throw error;
    }
    return controlPlane;
  }

  /** Starts the API server, where and with what it was before. Resolves when it is ready. */
  async startServer(): Promise<void> {
    this.#server = this.#spawn('kube-apiserver', serverFlags(this.#folder, this.#ports));
    const probe = [this.#parts.kubectl, '--kubeconfig', this.kubeconfig, 'get', '--raw', '/readyz'];
    const deadline = performance.now() + patienceMs;
    while ((await output(probe)).code !== 0) {
      const isDead = [this.#database, this.#server].some((child) => child?.exitCode !== null);
      if (isDead || performance.now() > deadline)
        throw new Error(
          `no API server:\n${readFileSync(join(this.#folder, 'kube-apiserver.log'), 'utf8').slice(-2000)}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** Ends the API server where it stands, as a failing machine does. */
  async killServer(): Promise<void> {
    const ended = this.#server === undefined ? undefined : once(this.#server, 'exit');
    this.#server?.kill('SIGKILL');
    await ended;
  }

  /** From now on the API server takes connections and answers nothing. */
  freezeServer(): void {
    this.#server?.kill('SIGSTOP');
  }

  /** It goes on as if nothing had been. */
  thawServer(): void {
    this.#server?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    for (const child of [this.#server, this.#database]) await end(child);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(name: 'etcd' | 'kube-apiserver', flags: readonly string[]): ChildProcess {
    const log = openSync(join(this.#folder, `${name}.log`), 'a');
    // However the test runner ends, its children go with it.
    const command = ['--pdeathsig', 'KILL', this.#parts[name], ...flags];
    const child = spawn('setpriv', command, { stdio: ['ignore', log, log], cwd: this.#folder });
    closeSync(log);
    return child;
  }
}

function writeFiles(folder: string, token: string): void {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(join(folder, 'accounts.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), {
    mode: 0o600,
  });
  writeFileSync(join(folder, 'tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
}

function writeKubeconfig(folder: string, port: number, token: string): string {
  const path = join(folder, 'kubeconfig');
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    'certificate-authority': join(folder, 'certificates/apiserver.crt'),
  };
  const content = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  };
  writeFileSync(path, stringify(content), { mode: 0o600 });
  return path;
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  child.kill('SIGCONT'); // one that is stopped hears nothing
  const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
  await ended;
  clearTimeout(timer);
}
