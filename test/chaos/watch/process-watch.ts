import { open, readFile } from "node:fs/promises";
import type { History } from "../history/history.ts";

const everyMs = 1_000;
const readBytes = 1 << 20;
const alarming = /DATA DIVERGENCE|InvariantViolation/;

interface WatchedBroker {
  readonly id: number;
  readonly name: string;
  /** Null while there is no process. */
  readonly pid: number | null;
  readonly logFile: string;
}

/** It may grow. */
interface WatchedCluster {
  readonly brokers: readonly WatchedBroker[];
}

/** Once a second, of every broker: what memory it takes, and how many lines it has written to its log. */
export class ProcessWatch {
  readonly #cluster: WatchedCluster;
  readonly #history: Pick<History, "add">;
  readonly #read = new Map<number, { bytes: number; rest: string }>();
  #timer: NodeJS.Timeout | null = null;
  /** Null: nobody looks right now. */
  #looking: Promise<void> | null = null;

  constructor(cluster: WatchedCluster, history: Pick<History, "add">) {
    this.#cluster = cluster;
    this.#history = history;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#looking ??= this.#lookAtAll().finally(() => {
        this.#looking = null;
      });
    }, everyMs);
  }

  /** Looks once more: what brokers say as they stop counts, and so does a last line that was not finished. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#looking;
    await this.#lookAtAll(true);
  }

  async #lookAtAll(isLast = false): Promise<void> {
    await Promise.all(this.#cluster.brokers.map((broker) => this.#look(broker, isLast)));
  }

  async #look(broker: WatchedBroker, isLast: boolean): Promise<void> {
    const status = broker.pid === null ? "" : await readFile(`/proc/${broker.pid}/status`, "utf8").catch(() => "");
    const residentBytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    const lines = await this.#newLines(broker, isLast);
    const alarms = lines.filter((line) => alarming.test(line)).length;
    this.#history.add({ kind: "sample", process: broker.name, residentBytes, logLines: lines.length, alarms });
  }

  /** Whole lines that were written since the last look; with the last one, whatever is there. */
  async #newLines({ id, logFile }: WatchedBroker, isLast: boolean): Promise<string[]> {
    const file = await open(logFile).catch(() => null);
    if (file === null) return [];
    const log = this.#read.get(id) ?? { bytes: 0, rest: "" };
    const buffer = Buffer.alloc(readBytes);
    let text = log.rest;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, readBytes, log.bytes);
      if (bytesRead === 0) break;
      log.bytes += bytesRead;
      text += buffer.toString("latin1", 0, bytesRead);
    }
    await file.close();
    const lines = text.split("\n");
    const unfinished = lines.pop() ?? "";
    if (isLast && unfinished !== "") lines.push(unfinished);
    log.rest = unfinished;
    this.#read.set(id, log);
    return lines;
  }
}
