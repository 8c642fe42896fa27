import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const mainFile = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The `ottla` command as a running process of its own. */
export class OttlaCommand {
  static readonly #running = new Set<OttlaCommand>();
  readonly #child: ChildProcess;
  readonly #printed: Buffer[] = [];
  readonly #complained: Buffer[] = [];
  readonly result: Promise<CommandResult>;

  /** `stdout`: a file descriptor that takes its output instead. */
  constructor(args: readonly string[], stdin: string | Buffer = "", stdout: "pipe" | number = "pipe") {
    const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["pipe", stdout, "pipe"] });
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => this.#printed.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.#complained.push(chunk));
    child.stdin?.on("error", () => {}); // it may end without reading all
    child.stdin?.end(stdin);
    OttlaCommand.#running.add(this);
    this.result = new Promise((resolve) => {
      child.once("close", (code) => {
        OttlaCommand.#running.delete(this);
        resolve({ code, stdout: this.printed, stderr: this.complained });
      });
    });
  }

  /** Kills those that a failed test left running; they would outlive the test run. */
  static async killAll(): Promise<void> {
    await Promise.all(
      [...OttlaCommand.#running].map((command) => {
        command.signal("SIGKILL");
        return command.result;
      }),
    );
  }

  /** What it has written to its output so far. */
  get printed(): string {
    return Buffer.concat(this.#printed).toString();
  }

  /** What it has written to its standard error so far. */
  get complained(): string {
    return Buffer.concat(this.#complained).toString();
  }

  /** A command that is only starting does not handle signals yet and is killed by any: wait for a sign that it is running. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Closes our end of its output, as `| head` does. */
  stopReading(): void {
    this.#child.stdout?.destroy();
  }
}
