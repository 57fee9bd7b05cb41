// A control plane with the controllers that Jobs and owners need; one to itself, for they would tidy up in other tests' worlds.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { controllerManagerPart, type ControlPlaneParts } from '../../tools/parts.ts';
import { steps } from '../../tools/steps.ts';
import { ControlPlane } from '../support/control-plane.ts';

export class Controllers {
  readonly #controlPlane: ControlPlane;
  readonly #manager: ChildProcess;

  private constructor(controlPlane: ControlPlane, manager: ChildProcess) {
    this.#controlPlane = controlPlane;
    this.#manager = manager;
  }

  static async start(parts: ControlPlaneParts): Promise<Controllers> {
    const program = await controllerManagerPart(steps());
    const controlPlane = await ControlPlane.start(parts);
    const manager = spawn(
      program,
      [
        `--kubeconfig=${controlPlane.kubeconfig}`,
        '--leader-elect=false',
        '--secure-port=0',
        '--controllers=job-controller,ttl-after-finished-controller,garbage-collector-controller',
        '--kube-api-qps=200',
        '--kube-api-burst=400',
      ],
      { stdio: 'ignore' },
    );
    return new Controllers(controlPlane, manager);
  }

  get kubeconfig(): string {
    return this.#controlPlane.kubeconfig;
  }

  async stop(): Promise<void> {
    if (this.#manager.exitCode === null && this.#manager.signalCode === null) {
      this.#manager.kill('SIGKILL');
      await once(this.#manager, 'exit');
    }
    await this.#controlPlane.stop();
  }
}
