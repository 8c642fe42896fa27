import { partitionKey, type TopicId, type TopicPartition } from "../../protocol/base/ids.ts";
import type { Log } from "../log/log-contract.ts";
import { InconsistentTopicId, type LogStore } from "../log/store-contract.ts";
import type { WithdrawnReplica } from "./cluster-contract.ts";
import type { HighWatermarkCheckpoint } from "./high-watermark-checkpoint.ts";

/** What becomes of the logs of replicas that are not this broker's any more. */
export class LogWithdrawals {
  readonly #logs: LogStore;
  readonly #checkpoint: HighWatermarkCheckpoint;
  readonly #closing: AbortSignal;

  constructor(logs: LogStore, checkpoint: HighWatermarkCheckpoint, closing: AbortSignal) {
    this.#logs = logs;
    this.#checkpoint = checkpoint;
    this.#closing = closing;
  }

  /**
   * Whether this log is the one whose removal is on record. A log that has records of that epoch, or of later ones, was written to since:
   * the record is of an earlier time (ZooKeeper was restored from a backup, say), and what is written there must not be lost. `log` null:
   * it is not open.
   */
  async isRemoved({ ref, topicId, removal }: WithdrawnReplica, log: Log | null): Promise<boolean> {
    if (removal === undefined || this.#closing.aborted) return false;
    try {
      const { lastEpoch } = log ?? (await this.#logs.open(ref.topic, ref.partition, topicId, removal.settings));
      return lastEpoch < removal.leaderEpoch;
    } catch (error) {
      if (error instanceof InconsistentTopicId) return false;
      throw error;
    }
  }

  async delete({ topic, partition }: TopicPartition, topicId: TopicId): Promise<void> {
    // Race: (1) the log is deleted, a topic of the same name is created and grows; (2) this process dies before the next checkpoint; (3)
    // restarted, it takes the old log's high watermark for the new one's, and records that no other replica has for committed. So the file
    // forgets it first.
    if (this.#checkpoint.forget(partitionKey(topic, partition))) await this.#checkpoint.write();
    // stopped meanwhile: after a restart the broker is notified of the deletion again
    if (this.#closing.aborted) return;
    await this.#logs.delete(topic, partition, topicId);
  }

  /** The note in its folder has the high watermark before the file forgets it. */
  async setAside({ topic, partition }: TopicPartition, topicId: TopicId | null, highWatermark: number): Promise<void> {
    if (this.#closing.aborted) return;
    if (!(await this.#logs.setAside(topic, partition, { topicId, highWatermark }))) return;
    if (this.#checkpoint.forget(partitionKey(topic, partition))) await this.#checkpoint.write();
  }
}
