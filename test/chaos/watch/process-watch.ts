import { open, readFile } from "node:fs/promises";
import type { History } from "../history/history.ts";
import type { BrokerNode } from "../stage/broker-node.ts";

const everyMs = 1_000;
const readBytes = 1 << 20;
const newline = 10;

/** Once a second, of every broker: what memory it takes, and how many lines it has written to its log. */
export class ProcessWatch {
  readonly #brokers: readonly BrokerNode[];
  readonly #history: History;
  readonly #readTo = new Map<number, number>();
  #timer: NodeJS.Timeout | null = null;
  #isLooking = false;

  constructor(brokers: readonly BrokerNode[], history: History) {
    this.#brokers = brokers;
    this.#history = history;
  }

  start(): void {
    this.#timer = setInterval(() => {
      if (this.#isLooking) return;
      this.#isLooking = true;
      void Promise.all(this.#brokers.map((broker) => this.#look(broker))).finally(() => {
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
    this.#history.add({ kind: "sample", process: broker.name, residentBytes, logLines: await this.#newLines(broker) });
  }

  async #newLines({ id, logFile }: BrokerNode): Promise<number> {
    const file = await open(logFile).catch(() => null);
    if (file === null) return 0;
    let [at, lines] = [this.#readTo.get(id) ?? 0, 0];
    const buffer = Buffer.alloc(readBytes);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, readBytes, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      for (const byte of buffer.subarray(0, bytesRead)) if (byte === newline) lines++;
    }
    this.#readTo.set(id, at);
    await file.close();
    return lines;
  }
}
