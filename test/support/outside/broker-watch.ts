import { readFile, stat } from "node:fs/promises";
import type { TestCluster } from "../cluster.ts";

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly remote?: string;
  readonly reason?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
  readonly [field: string]: unknown;
}

/** What can be seen of a running broker from outside: its log from now on, its memory, whether it is still the same process. */
export class BrokerWatch {
  readonly id: number;
  readonly #cluster: TestCluster;
  readonly #pid: number;
  readonly #logFrom: number;

  private constructor(cluster: TestCluster, id: number, logFrom: number) {
    this.#cluster = cluster;
    this.id = id;
    this.#pid = cluster.pid(id);
    this.#logFrom = logFrom;
  }

  static async start(cluster: TestCluster, id: number): Promise<BrokerWatch> {
    return new BrokerWatch(cluster, id, (await stat(cluster.logFile(id))).size);
  }

  /** Written since the start. */
  async lines(): Promise<LogLine[]> {
    const bytes = (await readFile(this.#cluster.logFile(this.id))).subarray(this.#logFrom);
    return bytes
      .toString()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        try {
          return JSON.parse(line) as LogLine;
        } catch {
          return { level: "not a log line", msg: line };
        }
      });
  }

  async linesOf(address: string): Promise<LogLine[]> {
    return (await this.lines()).filter(({ remote }) => remote === address);
  }

  /** Warnings and worse; what a broker tells of its ordinary work is not in it. */
  async complaints(): Promise<LogLine[]> {
    return (await this.lines()).filter(({ level }) => level !== "info" && level !== "debug");
  }

  /** Resident memory. MiB. */
  async residentMib(): Promise<number> {
    const status = await readFile(`/proc/${this.#pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  /** Never restarted, never gone. */
  isAlive(): boolean {
    if (this.#cluster.pid(this.id) !== this.#pid) return false;
    try {
      return process.kill(this.#pid, 0);
    } catch {
      return false;
    }
  }
}
