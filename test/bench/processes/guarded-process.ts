import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/**
 * Becomes the program, and leaves a shell behind that waits for the end of its input, a pipe from us: when we are gone, however we ended,
 * it kills the program. It checks first that the program still is its parent: another process may have its pid by then.
 */
const guardScript = `
exec 3<&0
{
  cat <&3
  read -r _ _ _ parent _ </proc/self/stat
  [ "$parent" = "$$" ] && kill -9 "$$"
} >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
`;
const wordsMaxChars = 20_000;

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface GuardedOptions {
  readonly cwd?: string;
  /** Output and complaints go there instead of to us. */
  readonly logFile?: string;
  /** Each line of its output, as it comes. */
  readonly onLine?: (line: string) => void;
}

/** A program that cannot outlive us, and that a terminal's Ctrl-C does not reach: we end it. `pid` is the program's own, not a shell's. */
export class GuardedProcess {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #name: string;
  #words = "";
  #hasEnded = false;

  constructor(command: string, args: readonly string[], { cwd = "/", logFile, onLine = () => {} }: GuardedOptions = {}) {
    const log = logFile === undefined ? null : openSync(logFile, "a");
    try {
      const stdio = log === null ? (["pipe", "pipe", "pipe"] as const) : (["pipe", log, log] as const);
      this.#child = spawn("/bin/sh", ["-c", guardScript, "sh", command, ...args], { detached: true, stdio: [...stdio], cwd });
    } finally {
      if (log !== null) closeSync(log);
    }
    this.#name = [command, ...args].find((word) => /[A-Za-z]\w*\.[A-Z]\w*$|\.ts$/.test(word)) ?? command;
    this.pid = this.#child.pid ?? 0;
    this.#child.stdin?.on("error", () => {}); // it has gone; its end is told elsewhere
    this.#readLines(onLine);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#keep(text));
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#keep(error.message);
        resolve({ code: null, signal: null });
      });
      // "close" and not "exit": by then all that it wrote has been read
      this.#child.once("close", (code, signal) => {
        this.#hasEnded = true;
        this.#child.stdin?.destroy();
        resolve({ code, signal });
      });
    });
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The last it said. */
  get words(): string {
    return this.#words.trim();
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#hasEnded) this.#child.kill(signal);
  }

  /** Ends it gently, after `graceMs` by force. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.#hasEnded) return;
    this.signal("SIGTERM");
    const force = setTimeout(() => this.signal("SIGKILL"), graceMs);
    await this.ended;
    clearTimeout(force);
  }

  /** Resolves when it ended well; rejects with what it said. */
  async succeeded(): Promise<void> {
    const { code, signal } = await this.ended;
    if (code !== 0) throw new Error(`${this.#name} ended with ${signal ?? `exit code ${code}`}: ${this.words.slice(-2000)}`);
  }

  #readLines(onLine: (line: string) => void): void {
    let rest = "";
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#keep(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    });
  }

  #keep(text: string): void {
    this.#words = (this.#words + text).slice(-wordsMaxChars);
  }
}
