import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

/**
 * Becomes the program, and leaves a shell behind that waits for the end of its input, a pipe from us: when we are gone, however we ended,
 * it kills the program, also one that is stopped by a signal. Descriptors 3 and 4 may be a channel to us, which only the program may hold.
 */
const guardScript = `
exec 9<&0
{
  cat <&9
  read -r _ _ _ parent _ </proc/self/stat
  [ "$parent" = "$$" ] && kill -9 "$$"
} >/dev/null 2>&1 3<&- 4<&- &
exec "$@" </dev/null 9<&-
`;

export interface KeptProcessOptions {
  /** Output and complaints go there. */
  readonly logFile: string;
  /** What runs the command elsewhere: see `NetworkNode.prefix`. */
  readonly prefix: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A channel for messages, as between Node programs. */
  readonly onMessage?: (message: unknown) => void;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It was to end gently, and had to be killed. */
  readonly wasForced: boolean;
}

/** A program that cannot outlive us, and that a terminal's Ctrl-C does not reach. `pid` is the program's own, not a shell's. */
export class KeptProcess {
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  #end: ProcessEnd | null = null;
  #isForced = false;

  constructor(command: string, args: readonly string[], { logFile, prefix, environment = {}, onMessage }: KeptProcessOptions) {
    const log = openSync(logFile, "a");
    try {
      this.#child = spawn("/bin/sh", ["-c", guardScript, "sh", ...prefix, command, ...args], {
        detached: true,
        stdio: onMessage === undefined ? ["pipe", log, log] : ["pipe", log, log, "ipc"],
        cwd: "/",
        env: { ...process.env, ...environment },
      });
    } finally {
      closeSync(log);
    }
    this.pid = this.#child.pid ?? 0;
    this.#child.stdin?.on("error", () => {}); // it has gone; its end is told elsewhere
    if (onMessage !== undefined) this.#child.on("message", onMessage);
    this.ended = new Promise((resolve) => {
      const settle = (how: Omit<ProcessEnd, "wasForced">) => {
        const end = { ...how, wasForced: this.#isForced };
        this.#end ??= end;
        this.#child.stdin?.destroy();
        resolve(end);
      };
      this.#child.once("error", () => settle({ code: null, signal: null }));
      this.#child.once("exit", (code, signal) => settle({ code, signal }));
    });
  }

  /** Null while it runs. */
  get end(): ProcessEnd | null {
    return this.#end;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#end === null) this.#child.kill(signal);
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  /** Ends it gently, after `graceMs` by force. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.signal("SIGTERM");
    const force = setTimeout(() => {
      this.#isForced = true;
      this.signal("SIGKILL");
    }, graceMs);
    await this.ended;
    clearTimeout(force);
  }
}
