import { type ChildProcess, spawn } from "node:child_process";
import { waitUntil } from "../wait-until.ts";
import { withoutBlankEnd } from "./console-blocks.ts";

/** ASCII's record separator: no command prints it. */
const end = "\x1e";

/** A shell of a reader: it remembers its variables and what runs in the background from one command to the next. */
export class Shell {
  readonly #child: ChildProcess;
  #printed = "";

  constructor(folder: string, env: NodeJS.ProcessEnv) {
    // its own process group: with it ends what still runs in the background
    this.#child = spawn("bash", ["--norc", "--noprofile"], { cwd: folder, env, stdio: ["pipe", "pipe", "ignore"], detached: true });
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#printed += chunk.toString();
    });
    this.#child.stdin?.on("error", () => {}); // it is gone: then nothing comes, and the wait says so
    this.#child.stdin?.write("exec 2>&1\n");
  }

  /** The lines that it prints, to both streams, until it ends. What runs in the background may print after that: nobody looks at it. */
  async run(command: string, timeoutMs: number): Promise<string[]> {
    this.#printed = "";
    this.#child.stdin?.write(`${command}\nprintf '\\x1e'\n`);
    await waitUntil(`an end of: ${command}`, () => this.#printed.includes(end), { timeoutMs }).catch((error) => {
      throw new Error(`it printed so far:\n${this.#printed}`, { cause: error });
    });
    return withoutBlankEnd(this.#printed.slice(0, this.#printed.indexOf(end)).split("\n"));
  }

  async stop(): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined || this.#child.exitCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    process.kill(-pid, "SIGKILL");
    await closed;
  }
}
