import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { StopPatience } from "./stop-patience.ts";

/** In the package each command is a program of its own (deploy/bundle.mjs). */
const mainFile = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../main.ts" : "../broker/main.js", import.meta.url));

/** What a broker started by `up` sends over the channel between the two processes. */
export type BrokerReport =
  | { readonly kind: "ready"; readonly listeners: readonly string[] }
  | { readonly kind: "waiting"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "stopping"; readonly unclosedLogs: number };

const stopCheckMs = 100;

export interface BrokerProcessOptions {
  readonly id: number;
  readonly configFile: string;
  readonly logFile: string;
  /** A command that becomes the one after it, such as `nice`. */
  readonly prefix?: readonly string[];
  /** It cannot start before the user does something. */
  readonly waits?: (message: string) => void;
}

/** One broker as a process of its own. It ends when we do: the channel closes with us, and the broker stops at that. */
export class BrokerProcess {
  readonly id: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;
  readonly #ready: Promise<readonly string[]>;
  #failure: string | null = null;

  constructor(options: BrokerProcessOptions) {
    this.id = options.id;
    const log = openSync(options.logFile, "a");
    try {
      const [command = "", ...args] = [...(options.prefix ?? []), process.execPath, mainFile, "broker", "--config", options.configFile];
      this.#child = spawn(command, args, {
        stdio: ["ignore", log, log, "ipc"],
        detached: true, // we forward a terminal's Ctrl-C, once
      });
    } finally {
      closeSync(log);
    }
    this.#exited = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("exit", (code, signal) => resolve(this.#failure ?? (signal !== null ? `ended by ${signal}` : `exit code ${code}`)));
    });
    this.#ready = this.#listen(options.waits ?? (() => {}));
    this.#ready.catch(() => undefined); // reported by whoever waits for it
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves with the reason when the process is gone. */
  get exited(): Promise<string> {
    return this.#exited;
  }

  /** Resolves when it serves clients; rejects with its message when it cannot. */
  ready(): Promise<readonly string[]> {
    return this.#ready;
  }

  /** What it reports is heard once, however many wait for it to be ready. */
  #listen(waits: (message: string) => void): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#child.on("message", (message) => {
        const report = message as BrokerReport;
        if (report.kind === "ready") resolve(report.listeners);
        else if (report.kind === "waiting") waits(report.message);
        else if (report.kind === "failed") this.#failure = report.message;
      });
      this.#exited.then((reason) => reject(new Error(reason)));
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Asks it to stop, and kills it when it hangs (`StopPatience`). */
  async stop(graceMs: number): Promise<void> {
    const patience = new StopPatience(graceMs, performance.now());
    this.#child.on("message", (message) => {
      const report = message as BrokerReport;
      if (report.kind === "stopping") patience.heard(report.unclosedLogs, performance.now());
    });
    this.#child.kill("SIGTERM");
    const timer = setInterval(() => {
      if (patience.isOver(performance.now())) this.#child.kill("SIGKILL");
    }, stopCheckMs);
    await this.#exited;
    clearInterval(timer);
  }
}
