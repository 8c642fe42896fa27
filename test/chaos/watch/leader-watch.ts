import { Admin, type PartitionMetadata, type TopicDescription } from "../../../client/index.ts";
import type { History } from "../history/history.ts";

const pollMs = 500;

/** Who leads what, as any broker tells it, a few times a second; changes of the main topic go into the history. */
export class LeaderWatch {
  readonly #admin: Admin;
  readonly #history: History;
  readonly #topic: string;
  readonly #told = new Map<number, string>();
  #partitions: readonly PartitionMetadata[] = [];
  #isStopped = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(bootstrap: readonly string[], topic: string, history: History) {
    this.#admin = new Admin({ bootstrap, clientId: "watch", requestTimeoutMs: 3_000, operationTimeoutMs: 10_000, slowAfterMs: 500 });
    this.#topic = topic;
    this.#history = history;
  }

  start(): void {
    const again = async () => {
      await this.#look().catch(() => {});
      if (!this.#isStopped) this.#timer = setTimeout(again, pollMs);
    };
    void again();
  }

  /** As of the last look. */
  ledBy(ids: readonly number[]): number[] {
    return this.#partitions.filter(({ leader }) => ids.includes(leader)).map(({ partition }) => partition);
  }

  leaderOf(partition: number): number {
    return this.#partitions.find((each) => each.partition === partition)?.leader ?? -1;
  }

  async controllerId(): Promise<number> {
    return (await this.#admin.describeCluster()).controllerId;
  }

  /** All topics, those of the brokers too. */
  topics(): Promise<readonly TopicDescription[]> {
    return this.#admin.listTopics();
  }

  /** Of these topics, or all. */
  async isWhole(names: readonly string[] | null = null): Promise<boolean> {
    const topics = (await this.topics()).filter(({ name }) => names === null || names.includes(name));
    return topics.every(({ partitions }) => partitions.every(({ leader, isr, replicas }) => leader >= 0 && isr.length === replicas.length));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#admin.close();
  }

  async #look(): Promise<void> {
    const [described] = await this.#admin.describeTopics([this.#topic]);
    if (described === undefined || described.error !== null) return;
    this.#partitions = described.partitions;
    for (const { partition, leader, leaderEpoch: epoch } of this.#partitions) {
      const told = `${leader} ${epoch}`;
      if (this.#told.get(partition) === told) continue;
      this.#told.set(partition, told);
      this.#history.add({ kind: "leader", topic: this.#topic, partition, leader, epoch });
    }
  }
}
