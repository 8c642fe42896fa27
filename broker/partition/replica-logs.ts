import { partitionKey, type TopicId, type TopicPartition } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { type Log, LogOffline } from "../log/log-contract.ts";
import { InconsistentTopicId, type LogStore } from "../log/store-contract.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import type { WithdrawnReplica } from "./cluster-contract.ts";
import type { HighWatermarkCheckpoint } from "./high-watermark-checkpoint.ts";

/** How replicas' logs come and go, each together with what the checkpoint has of it. */
export class ReplicaLogs {
  readonly #parts: { readonly logs: LogStore; readonly logger: Logger };
  readonly #checkpoint: HighWatermarkCheckpoint;
  readonly #closing: AbortSignal;

  constructor(parts: { readonly logs: LogStore; readonly logger: Logger }, checkpoint: HighWatermarkCheckpoint, closing: AbortSignal) {
    this.#parts = parts;
    this.#checkpoint = checkpoint;
    this.#closing = closing;
  }

  async open(topic: string, partition: number, topicId: TopicId, settings: TopicSettings, isNew: boolean): Promise<Log> {
    const { logs, logger } = this.#parts;
    const key = partitionKey(topic, partition);
    // it was set aside, and its topic is back
    const restored = (highWatermark: number) => {
      this.#checkpoint.set(key, highWatermark);
      return this.#checkpoint.write();
    };
    this.#assertNotClosing();
    await logs.takeUp(topic, partition, topicId, restored);
    this.#assertNotClosing();
    try {
      return await logs.open(topic, partition, topicId, settings, isNew);
    } catch (error) {
      if (!(error instanceof InconsistentTopicId)) throw error;
      logger.warn({ err: error }, "a topic of this name was re-created, and the deletion of the old one is not on record");
      await this.setAside({ topic, partition }, null, this.#checkpoint.restored(key));
      this.#assertNotClosing();
      await logs.takeUp(topic, partition, topicId, restored);
      this.#assertNotClosing();
      return logs.open(topic, partition, topicId, settings, isNew);
    }
  }

  #assertNotClosing(): void {
    if (this.#closing.aborted) throw new LogOffline("this broker is stopping");
  }

  async delete({ topic, partition }: TopicPartition, topicId: TopicId): Promise<void> {
    // Race: (1) the log is deleted, a topic of the same name is created and grows; (2) this process dies before the next checkpoint; (3)
    // restarted, it takes the old log's high watermark for the new one's, and records that no other replica has for committed. So the file
    // forgets it first.
    if (this.#checkpoint.forget(partitionKey(topic, partition))) await this.#checkpoint.write();
    // stopped meanwhile: after a restart the broker is notified of the deletion again
    if (this.#closing.aborted) return;
    await this.#parts.logs.delete(topic, partition, topicId);
  }

  /** The note in its folder has the high watermark before the file forgets it. */
  async setAside({ topic, partition }: TopicPartition, topicId: TopicId | null, highWatermark: number): Promise<void> {
    if (this.#closing.aborted) return;
    if (!(await this.#parts.logs.setAside(topic, partition, { topicId, highWatermark }))) return;
    if (this.#checkpoint.forget(partitionKey(topic, partition))) await this.#checkpoint.write();
  }
}

/**
 * Whether this is the log that was removed with its replica: it has nothing of the epoch that began with the removal, or of later ones. Of
 * a log that is not open that is not known, and none is opened to find out: it may be one too many, or its disk may hang.
 */
export function isRemoved({ removedInEpoch }: WithdrawnReplica, log: Log | null): boolean {
  return removedInEpoch !== undefined && log !== null && log.lastEpoch < removedInEpoch;
}
