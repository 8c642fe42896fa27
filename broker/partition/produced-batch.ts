import { invariant } from "../../protocol/base/invariant.ts";
import {
  type Admission,
  type AdmissionRules,
  admitAside,
  admitBatch,
  type Turn,
  type WorkAside,
} from "../../protocol/records/admit-batch.ts";
import type { BatchInfo, CompressionCodec } from "../../protocol/records/batch-header.ts";
import { validateProducedBatches } from "../../protocol/records/validate-batches.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";

/** Who made the batch: a producer, whose records are looked at one by one, or a part of this broker, whose are known to be sound. */
export type BatchOrigin = "client" | "broker";

export interface ProducedBatchRules {
  readonly settings: TopicSettings;
  /** See `ottla.batch.unpacked.max.bytes`. */
  readonly plainBytesMax: number;
  readonly nowMs: number;
}

/**
 * What the leader appends of a batch that it is given: the same bytes, or, where the topic keeps another codec, new ones. Nothing is waited
 * for: the order of calls is the order in the log. Null: to look at it would take longer than a turn should; that is for
 * `producedBatchAside`.
 */
export function producedBatch(records: Buffer, origin: BatchOrigin, rules: ProducedBatchRules, turn: Turn): Admission | null {
  const batch = wholeBatch(records, rules.settings);
  if ("error" in batch) return batch;
  if (origin === "broker") return { error: null, bytes: records };
  return batch.isTransactional ? withoutTransaction : admitBatch(records, batch, admissionRules(rules), turn);
}

/** The same for a client's batch of which the above said that it takes longer. Its place in the log is the caller's to keep. */
export async function producedBatchAside(records: Buffer, rules: ProducedBatchRules, work: WorkAside): Promise<Admission> {
  const batch = wholeBatch(records, rules.settings);
  return "error" in batch ? batch : admitAside(records, batch, admissionRules(rules), work);
}

function wholeBatch(records: Buffer, settings: TopicSettings): BatchInfo | Admission {
  const validated = validateProducedBatches(records, {
    exactlyOneBatch: true,
    batchBytesMax: settings.maxMessageBytes,
    zstdAllowed: true, // that the version of the request allows it was checked where the version is known
  });
  if (validated.error !== null) return { error: validated.error, message: validated.message ?? "", recordErrors: [] };
  const [batch] = validated.batches;
  invariant(batch !== undefined, "what was found sound has a batch");
  return batch;
}

/**
 * Nobody could end it: its producer would be remembered for ever, and whoever reads committed records only would read no further.
 * `transactional.id` is refused by InitProducerId, so this is a client that did not ask, or asked another cluster.
 */
const withoutTransaction: Admission = {
  error: "INVALID_TXN_STATE",
  message: "the batch is part of a transaction, and transactions are not served: leave transactional.id out",
  recordErrors: [],
};

function admissionRules({ settings, plainBytesMax, nowMs }: ProducedBatchRules): AdmissionRules {
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
    plainBytesMax,
  };
}

/** The library for lz4 has no levels, snappy has none at all. */
function levelOf(codec: CompressionCodec | "producer", settings: TopicSettings): number | undefined {
  if (codec === "gzip") return settings.compressionGzipLevel;
  return codec === "zstd" ? settings.compressionZstdLevel : undefined;
}
