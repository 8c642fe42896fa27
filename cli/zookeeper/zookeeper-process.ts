import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandFailed } from "../output/command-failed.ts";
import { type ZookeeperMode, zookeeperMode } from "./four-letter-word.ts";
import { zookeeperCommand } from "./zookeeper-command.ts";
import { type ZookeeperSettings, zookeeperConfigFile } from "./zookeeper-config.ts";

export interface ZookeeperProcessOptions {
  readonly settings: ZookeeperSettings;
  readonly heapMaxMib: number;
  /** False: for tests only. */
  readonly syncToDisk: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/**
 * Runs a ZooKeeper server, in a group of its own so that a terminal's Ctrl-C reaches only us and we stop it last. It cannot outlive us, not
 * even when we are killed: between the two stands a shell that waits for the end of its input, a pipe from us, and then kills the server.
 */
const guardScript = `
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
echo "$server"
{ cat <&3 >/dev/null; kill -9 "$server"; } >/dev/null 2>&1 &
guard=$!
exec 3<&- </dev/null >/dev/null
wait "$server"
status=$?
kill "$guard" 2>/dev/null
exit "$status"
`;

const probePauseMs = 20;
/** A starting server may accept a connection and leave it unanswered. */
const probeMaxMs = 200;
const complaintMaxChars = 20_000;

/** A ZooKeeper server that we started. */
export class ZookeeperProcess {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  readonly #settings: ZookeeperSettings;
  /** The end of its output. */
  #complaint = "";
  #hasExited = false;

  private constructor(settings: ZookeeperSettings, guard: ChildProcess, pid: number) {
    this.#settings = settings;
    this.pid = pid;
    guard.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-complaintMaxChars);
    });
    // "close" and not "exit": by then all that it wrote has been read.
    this.exited = once(guard, "close").then(([code, signal]) => {
      this.#hasExited = true;
      guard.stdin?.destroy();
      return { code, signal } as ProcessExit;
    });
  }

  /** Writes the configuration into the data directory and starts the server. Does not wait until it serves: see `serving`. */
  static async start(options: ZookeeperProcessOptions): Promise<ZookeeperProcess> {
    const { settings, heapMaxMib, syncToDisk, environment } = options;
    const configFile = join(settings.dataDirectory, "zoo.cfg");
    const { command, args } = await zookeeperCommand({ configFile, heapMaxMib, syncToDisk, environment });
    await mkdir(settings.dataDirectory, { recursive: true });
    await writeFile(configFile, zookeeperConfigFile(settings));
    if (settings.ensemble !== undefined) await writeFile(join(settings.dataDirectory, "myid"), `${settings.ensemble.myId}\n`);
    const guard = spawn("/bin/sh", ["-c", guardScript, "sh", command, ...args], {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      cwd: "/",
    });
    guard.stdin.on("error", () => undefined); // it has ended; its exit is reported elsewhere
    return new ZookeeperProcess(settings, guard, await serverPid(guard));
  }

  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** What the server last wrote to its log. */
  get complaint(): string {
    return this.#complaint;
  }

  /** Resolves when the server serves clients. Rejects when it exits instead, or after `timeoutMs`. */
  async serving(timeoutMs: number): Promise<ZookeeperMode> {
    const { host, clientPort } = this.#settings;
    const deadlineMs = performance.now() + timeoutMs;
    while (performance.now() < deadlineMs) {
      if (this.#hasExited) {
        const { code, signal } = await this.exited;
        throw new CommandFailed(`ZooKeeper on port ${clientPort} stopped at once (${signal ?? `exit code ${code}`})${this.#lastWords()}`);
      }
      const mode = await zookeeperMode(host, clientPort, probeMaxMs);
      if (mode !== null) return mode;
      await sleep(probePauseMs);
    }
    throw new CommandFailed(`ZooKeeper on port ${clientPort} does not serve after ${timeoutMs} ms${this.#lastWords()}`);
  }

  /** SIGSTOP, SIGCONT, SIGKILL or SIGTERM, to the server itself. */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL" | "SIGTERM"): void {
    if (this.#hasExited) return;
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      // It has ended, and we are about to be notified.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** Stops it gracefully, after `graceMs` by force. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.#hasExited) return;
    this.signal("SIGTERM");
    this.signal("SIGCONT");
    const force = setTimeout(() => this.signal("SIGKILL"), graceMs);
    await this.exited;
    clearTimeout(force);
  }

  /** Why it ended, from its log: the exception it died of rather than that it exits. */
  #lastWords(): string {
    const lines = this.#complaint.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("\tat "));
    const exceptions = lines.filter((line) => /^(?:Caused by: )?[\w.$]+(?:Exception|Error)\b/.test(line));
    const errors = lines.filter((line) => line.includes(" ERROR ") && !line.includes("Exiting JVM"));
    const telling = exceptions.at(-1) ?? errors.at(-1) ?? lines.at(-1);
    return telling === undefined ? "" : `: ${telling.trim()}`;
  }
}

/** The guard's first line. */
async function serverPid(guard: ChildProcess): Promise<number> {
  let text = "";
  for await (const chunk of guard.stdout?.setEncoding("utf8") ?? []) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  const pid = Number.parseInt(text, 10);
  if (!Number.isInteger(pid) || pid <= 0) throw new CommandFailed("the shell that guards ZooKeeper did not start");
  return pid;
}
