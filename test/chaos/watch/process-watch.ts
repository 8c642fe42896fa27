import { open, readFile } from "node:fs/promises";
import type { History } from "../history/history.ts";
import type { BrokerNode } from "../stage/broker-node.ts";

const everyMs = 1_000;
const readBytes = 1 << 20;
const alarming = /DATA DIVERGENCE|InvariantViolation/;

/** It may grow. */
interface WatchedCluster {
  readonly brokers: readonly BrokerNode[];
}

/** Once a second, of every broker: what memory it takes, and how many lines it has written to its log. */
export class ProcessWatch {
  readonly #cluster: WatchedCluster;
  readonly #history: History;
  readonly #read = new Map<number, { bytes: number; rest: string }>();
  #timer: NodeJS.Timeout | null = null;
  #isLooking = false;

  constructor(cluster: WatchedCluster, history: History) {
    this.#cluster = cluster;
    this.#history = history;
  }

  start(): void {
    this.#timer = setInterval(() => {
      if (this.#isLooking) return;
      this.#isLooking = true;
      void Promise.all(this.#cluster.brokers.map((broker) => this.#look(broker))).finally(() => {
        this.#isLooking = false;
      });
    }, everyMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  async #look(broker: BrokerNode): Promise<void> {
    const status = broker.pid === null ? "" : await readFile(`/proc/${broker.pid}/status`, "utf8").catch(() => "");
    const residentBytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    const lines = await this.#newLines(broker);
    const alarms = lines.filter((line) => alarming.test(line)).length;
    this.#history.add({ kind: "sample", process: broker.name, residentBytes, logLines: lines.length, alarms });
  }

  /** Whole lines that were written since the last look. */
  async #newLines({ id, logFile }: BrokerNode): Promise<string[]> {
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
    log.rest = lines.pop() ?? "";
    this.#read.set(id, log);
    return lines;
  }
}
