import { type Admission, type AdmissionRules, admitBatch } from "../../protocol/records/admit-batch.ts";
import type { CompressionCodec } from "../../protocol/records/batch-header.ts";
import { validateProducedBatches } from "../../protocol/records/validate-batches.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";

/** Who made the batch: a producer, whose records are looked at one by one, or a part of this broker, whose are known to be sound. */
export type BatchOrigin = "client" | "broker";

/** What the leader appends of a batch that it is given: the same bytes, or, where the topic keeps another codec, new ones. Nothing is waited for: the order of calls is the order in the log. */
export function producedBatch(records: Buffer, origin: BatchOrigin, settings: TopicSettings, nowMs: number): Admission {
  const validated = validateProducedBatches(records, {
    exactlyOneBatch: true,
    batchBytesMax: settings.maxMessageBytes,
    zstdAllowed: true, // that the version of the request allows it was checked where the version is known
  });
  if (validated.error !== null) return { error: validated.error, message: validated.message ?? "", recordErrors: [] };
  const [batch] = validated.batches;
  if (origin === "broker" || batch === undefined) return { error: null, bytes: records };
  return batch.isTransactional ? withoutTransaction : admitBatch(records, batch, admissionRules(settings, nowMs));
}

/**
 * Nobody could end it: its producer would be remembered for ever, and whoever reads committed records only would read no further. `transactional.id` is refused by InitProducerId, so this is a client
 * that did not ask, or asked another cluster.
 */
const withoutTransaction: Admission = {
  error: "INVALID_TXN_STATE",
  message: "the batch is part of a transaction, and transactions are not served: leave transactional.id out",
  recordErrors: [],
};

function admissionRules(settings: TopicSettings, nowMs: number): AdmissionRules {
  const { messageTimestampBeforeMaxMs, messageTimestampAfterMaxMs } = settings;
  const codec = settings.compressionType === "uncompressed" ? "none" : settings.compressionType;
  return {
    keysRequired: settings.cleanupPolicy !== "delete",
    timestamps:
      settings.messageTimestampType === "LogAppendTime"
        ? null
        : { earliestMs: nowMs - messageTimestampBeforeMaxMs, latestMs: nowMs + messageTimestampAfterMaxMs },
    codec,
    level: levelOf(codec, settings),
    batchBytesMax: settings.maxMessageBytes,
  };
}

/** The library for lz4 has no levels, snappy has none at all. */
function levelOf(codec: CompressionCodec | "producer", settings: TopicSettings): number | undefined {
  if (codec === "gzip") return settings.compressionGzipLevel;
  return codec === "zstd" ? settings.compressionZstdLevel : undefined;
}
