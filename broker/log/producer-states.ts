import { invariant } from "../../protocol/base/invariant.ts";
import { type BatchInfo, noProducerId, producerIdAt, readBatchInfo } from "../../protocol/records/batch-header.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";
import type { LeaderAppend } from "./log-contract.ts";
import { ProducerEntry } from "./producer-entry.ts";
import { judgeBatch } from "./producer-rules.ts";

/** What a log knows of the producers that wrote to it with an id: a function of its batches and of the snapshot it began with. */
export class ProducerStates {
  readonly #entries = new Map<number, ProducerEntry>();

  get size(): number {
    return this.#entries.size;
  }

  entries(): IterableIterator<[producerId: number, entry: ProducerEntry]> {
    return this.#entries.entries();
  }

  /** What a leader answers to validated batches without appending them, or null: they are to be appended. Changes nothing: what is appended is noted when its offsets are known. */
  judgeAppend(bytes: Buffer, { messageTimestampType }: Pick<TopicSettings, "messageTimestampType">): LeaderAppend | null {
    if (producerIdAt(bytes, 0) === noProducerId) return null;
    const batch = readBatchInfo(bytes, 0);
    invariant(batch !== null && batch.sizeInBytes === bytes.length, "a batch of an idempotent producer comes alone");
    const verdict = judgeBatch(this.#entries.get(batch.producerId), batch);
    if (verdict.kind === "append") return null;
    if (verdict.kind === "refused") return verdict;
    const { baseOffset, lastOffset, timestampMs } = verdict.original;
    const logAppendTimeMs = messageTimestampType === "LogAppendTime" ? timestampMs : -1;
    return { kind: "duplicate", baseOffset, endOffset: lastOffset + 1, logAppendTimeMs };
  }

  /** The batch is in the log. A follower notes what its leader judged. */
  note(batch: BatchInfo): void {
    if (batch.producerId === noProducerId) return;
    let entry = this.#entries.get(batch.producerId);
    if (entry === undefined) {
      entry = new ProducerEntry(batch.producerEpoch);
      this.#entries.set(batch.producerId, entry);
    }
    entry.note(batch);
  }

  clear(): void {
    this.#entries.clear();
  }
}
