import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { BatchInfo } from "../../protocol/records/batch-header.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";

/** Clocks that far apart are no accident any more; Kafka 4 refuses such records unless configured otherwise. */
const aheadMaxMs = 3_600_000;
/** Of one topic's warnings. */
const pauseMs = 3_600_000;
/** Topics whose last warning is remembered. With more, the first is forgotten, and may be warned of again. */
const topicsMax = 1_000;

export interface FutureTimestampParts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Says when records from the future are appended: by `retention.ms` their segments, and with them all that follow, stay until that time has
 * come and gone. Once per topic and hour.
 */
export class FutureTimestamps {
  readonly #parts: FutureTimestampParts;
  /** By topic, the oldest first (monotonic). */
  readonly #warnedAtMs = new Map<string, number>();

  constructor(parts: FutureTimestampParts) {
    this.#parts = parts;
  }

  /** Of a batch that was appended. */
  look(topic: string, partition: number, header: BatchInfo, { messageTimestampType, cleanupPolicy, retentionMs }: TopicSettings): void {
    if (messageTimestampType === "LogAppendTime" || retentionMs < 0 || cleanupPolicy === "compact") return;
    const { clock, logger } = this.#parts;
    // what the log makes of a largest timestamp below the first
    const newestMs = Math.max(header.maxTimestampMs, header.baseTimestampMs);
    if (newestMs <= clock.nowMs() + aheadMaxMs) return;
    const nowMs = clock.monotonicMs();
    const warnedAtMs = this.#warnedAtMs.get(topic);
    if (warnedAtMs !== undefined && nowMs - warnedAtMs < pauseMs) return;
    this.#warnedAtMs.delete(topic);
    if (this.#warnedAtMs.size >= topicsMax) this.#warnedAtMs.delete(this.#warnedAtMs.keys().next().value as string);
    this.#warnedAtMs.set(topic, nowMs);
    logger.warn(
      { topic, partition, timestampMs: newestMs },
      `a producer of topic ${topic} writes records from the future: retention.ms keeps them, and all that come after them, until their time has come; message.timestamp.after.max.ms refuses such records`,
    );
  }
}
