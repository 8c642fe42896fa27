import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { violationsIn } from "../chaos/checks/all.ts";
import { ofKind, type Violation } from "../chaos/checks/evidence.ts";
import { OwnWriter } from "../chaos/clients/own-writer.ts";
import { Reader, readAll } from "../chaos/clients/reader.ts";
import { readStoredLogs, type StoredLog } from "../chaos/end/stored-log.ts";
import { History } from "../chaos/history/history.ts";
import { LeaderWatch } from "../chaos/watch/leader-watch.ts";
import { ServiceWatch } from "../chaos/watch/service-watch.ts";
import { waitUntil } from "../support/wait-until.ts";
import { docker } from "./compose-cluster.ts";

export interface TrafficOptions {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly partitions: number;
  /** For the history and the brokers' files. */
  readonly folder: string;
}

/** Between two records of a partition. */
const everyMs = 20;
const caughtUpMaxMs = 30_000;
/** No samples are taken of containers, there are no groups, and nobody writes with acks=1. */
const limits = { residentBytesMax: 0, logLinesPerSecondMax: 0, groupSessionMs: 0, unreplicatedMs: 0 };

/** A producer with acks=all and a consumer that never stop, and what the chaos suite judges them by in the end. */
export class Traffic {
  readonly history: History;
  readonly service: ServiceWatch;
  readonly leaders: LeaderWatch;
  readonly #options: TrafficOptions;
  readonly #writer: OwnWriter;
  readonly #reader: Reader;

  constructor(options: TrafficOptions) {
    const { bootstrap, topic, partitions, folder } = options;
    this.#options = options;
    this.history = new History(join(folder, "history.jsonl"));
    this.service = new ServiceWatch(this.history, "writer", partitions);
    this.leaders = new LeaderWatch(bootstrap, topic, this.history);
    const place = { bootstrap, topic, partitions, history: this.history };
    this.#writer = new OwnWriter({ name: "writer", acks: "all", isIdempotent: true, everyMs }, place);
    this.#reader = new Reader("reader", place);
  }

  async start(): Promise<void> {
    this.leaders.start();
    await this.#reader.start();
    this.#writer.start();
  }

  /** What was not acknowledged after all. */
  async stopWriting(): Promise<readonly string[]> {
    await this.#writer.stop();
    return this.#writes()
      .filter(({ outcome }) => outcome !== "acknowledged")
      .map(({ partition, seq, error }) => `${partition}/${seq}: ${error}`);
  }

  /** Fails unless the reader gets to see everything that was acknowledged. Then all is read anew. */
  async stopReading(): Promise<void> {
    const ends = Map.groupBy(this.#writes(), ({ partition }) => partition);
    const isThrough = () =>
      [...ends].every(([partition, writes]) =>
        writes.every(({ offset }) => offset !== null && offset < (this.#reader.positions.get(partition) ?? 0)),
      );
    await waitUntil("the reader to be handed all that was acknowledged", isThrough, { timeoutMs: caughtUpMaxMs });
    await this.#reader.stop();
    await readAll("last reader", { ...this.#options, history: this.history });
    await this.leaders.stop();
  }

  /** Of a run that went wrong, too. */
  async close(): Promise<void> {
    await Promise.all([this.#writer.stop(), this.#reader.stop(), this.leaders.stop()]);
  }

  get acknowledged(): number {
    return this.#writes().length;
  }

  /** By what the brokers have in their files, each in a container that was stopped. */
  async judge(containers: readonly string[]): Promise<readonly Violation[]> {
    const logs: StoredLog[] = [];
    for (const [index, container] of containers.entries()) {
      const folder = join(this.#options.folder, `broker-${index + 1}`);
      await mkdir(folder);
      await docker("cp", `${container}:/var/lib/ottla/.`, folder);
      logs.push(...(await readStoredLogs(index + 1, folder, (topic) => topic === this.#options.topic)));
    }
    await this.history.close();
    const ours = logs.filter(({ topic }) => topic === this.#options.topic);
    return violationsIn({ events: this.history.events, logs: ours, views: [], limits });
  }

  #writes() {
    return ofKind(this.history.events, "write");
  }
}
