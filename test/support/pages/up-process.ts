import { type ChildProcess, spawn } from "node:child_process";
import { waitUntil } from "../wait-until.ts";

const readyMaxMs = 60_000;
const stopMaxMs = 20_000;

/** `ottla up`, which runs until it is told to stop. */
export class UpProcess {
  readonly #child: ChildProcess;
  #text = "";

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString();
    });
  }

  /** Resolves when it has printed as many lines. */
  static async start(command: string, folder: string, port: number, lines: number): Promise<UpProcess> {
    const child = spawn(command, ["up", "--port", String(port)], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
    const up = new UpProcess(child);
    await waitUntil("a cluster", () => up.printed.length >= lines, { timeoutMs: readyMaxMs }).catch(async (error) => {
      await up.stop();
      throw new Error(`\`ottla up\` printed ${JSON.stringify(up.#text)}`, { cause: error });
    });
    return up;
  }

  get printed(): string[] {
    return this.#text.trimEnd().split("\n");
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), stopMaxMs);
    await closed;
    clearTimeout(late);
  }
}
