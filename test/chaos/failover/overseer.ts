import { Admin, orThrow, type PartitionMetadata } from "../../../client/index.ts";
import { waitUntil } from "../../support/wait-until.ts";

const inSyncMaxMs = 300_000;
const topicsAtOnce = 1_000;

/** Knows the topic that is written to, and brings it back to what it was. */
export class Overseer implements AsyncDisposable {
  readonly topic: string;
  readonly #admin: Admin;
  readonly #partitions: number;

  constructor(bootstrap: readonly string[], topic: string, partitions: number) {
    this.topic = topic;
    this.#partitions = partitions;
    this.#admin = new Admin({ bootstrap, requestTimeoutMs: 5_000 });
  }

  /** Small segments, few of them kept: what is written is of no use. */
  async create(replicationFactor: number): Promise<void> {
    const configs = { "segment.bytes": String(4 << 20), "retention.bytes": String(8 << 20), "min.insync.replicas": "2" };
    const first = Math.min(this.#partitions, topicsAtOnce);
    orThrow(await this.#admin.createTopics([{ name: this.topic, partitions: first, replicationFactor, configs }]));
    for (let count = first; count < this.#partitions; ) {
      count = Math.min(count + topicsAtOnce, this.#partitions);
      await this.allInSync();
      orThrow(await this.#admin.createPartitions([{ topic: this.topic, count }]));
    }
    await this.allInSync();
  }

  async partitions(): Promise<readonly PartitionMetadata[]> {
    const [described] = orThrow(await this.#admin.describeTopics([this.topic]));
    return described?.partitions ?? [];
  }

  async ledBy(id: number): Promise<number[]> {
    return (await this.partitions()).filter(({ leader }) => leader === id).map(({ partition }) => partition);
  }

  controller(): Promise<number> {
    return waitUntil("a controller", async () => {
      const { controllerId } = await this.#admin.describeCluster();
      return controllerId >= 0 ? controllerId : null;
    });
  }

  async allInSync(): Promise<void> {
    const isWhole = async () =>
      (await this.partitions()).every(({ isr, replicas, leader }) => leader >= 0 && isr.length === replicas.length);
    await waitUntil("every replica to be in sync", isWhole, { timeoutMs: inSyncMaxMs, pauseMs: 100 });
  }

  /** Resolves when every partition is led by its first replica. */
  async electPreferred(): Promise<void> {
    await waitUntil("every preferred leader to lead", async () => {
      for (const { error } of await this.#admin.electLeaders("preferred", null)) {
        if (error !== null && error.code !== "ELECTION_NOT_NEEDED") throw error;
      }
      return (await this.partitions()).every(({ leader, replicas }) => leader === replicas[0]);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#admin.close();
  }
}
