import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const mainFile = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The `ottla` command as a process of its own, at work. */
export class OttlaCommand {
  readonly #child: ChildProcess;
  readonly result: Promise<CommandResult>;

  /** `stdout`: a file descriptor that takes its output instead. */
  constructor(args: readonly string[], stdin: string | Buffer = "", stdout: "pipe" | number = "pipe") {
    const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["pipe", stdout, "pipe"] });
    this.#child = child;
    const [printed, complaints]: [Buffer[], Buffer[]] = [[], []];
    child.stdout?.on("data", (chunk: Buffer) => printed.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => complaints.push(chunk));
    child.stdin?.on("error", () => {}); // it may end without reading all
    child.stdin?.end(stdin);
    this.result = new Promise((resolve) => {
      child.once("close", (code) =>
        resolve({ code, stdout: Buffer.concat(printed).toString(), stderr: Buffer.concat(complaints).toString() }),
      );
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Closes our end of its output, as `| head` does. */
  stopReading(): void {
    this.#child.stdout?.destroy();
  }
}
