import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Delays {
  /** Of every write to a log, and of every sync. */
  readonly diskMs?: number;
  /** Of what is sent over the network. */
  readonly networkMs?: number;
}

/** A broker's disk and network that get slower when told to, without root: a hook in its process delays their calls. */
export class SlowMachine {
  /** Before a broker's command. */
  readonly prefix: readonly string[];
  readonly #control: string;

  private constructor(control: string) {
    this.#control = control;
    const hook = new URL("slow-machine-hook.ts", import.meta.url).href;
    this.prefix = ["env", `NODE_OPTIONS=--import=${hook}`, `SLOW_MACHINE_CONTROL=${control}`];
  }

  static async make(folder: string): Promise<SlowMachine> {
    const machine = new SlowMachine(join(folder, "delays"));
    await machine.delay({});
    return machine;
  }

  /** What is not given is not delayed. */
  async delay({ diskMs = 0, networkMs = 0 }: Delays): Promise<void> {
    await writeFile(`${this.#control}.next`, JSON.stringify({ diskMs, networkMs }));
    await rename(`${this.#control}.next`, this.#control);
  }
}
