import type { KafkaError } from "../../../protocol/errors/kafka-errors.ts";
import { noSequence, sequencePlus } from "../../../protocol/records/batch-header.ts";
import type { ProducedBatch, ProducerEntry, RememberedBatch } from "./producer-entry.ts";

export type ProducerVerdict =
  | { readonly kind: "append" }
  | { readonly kind: "duplicate"; readonly original: RememberedBatch }
  | { readonly kind: "refused"; readonly error: KafkaError; readonly message: string };

const append: ProducerVerdict = { kind: "append" };

/**
 * Whether a producer's batch comes next in a log that knows `entry` of it. A producer that the log does not know may begin anywhere: what
 * it wrote before may be deleted, or its silence was so long that it was forgotten (KIP-360). But in a log that never held anything
 * (`isUntouched`) there is nothing to forget, so it begins at 0. Else: (1) the first of two batches under way is refused, with too few in
 * sync; (2) a follower returns, and the second is taken as a beginning; (3) the first comes again and is out of order for ever, or the
 * records stand the wrong way round. Sequences wrap from 2^31-1 to 0.
 *
 * A batch that comes next is new, whatever is remembered (Kafka looks for a repeated one first): (1) a producer is forgotten; (2) an older
 * client begins at 0 again under the same epoch; (3) the broker restarts and reads both lives from the log; (4) a batch that continues the
 * second would be answered with the place of one of the first, and be lost.
 */
export function judgeBatch(entry: ProducerEntry | undefined, batch: ProducedBatch, isUntouched: boolean): ProducerVerdict {
  const { producerEpoch, baseSequence } = batch;
  if (entry === undefined) {
    if (!isUntouched || baseSequence === 0) return append;
    return refuse(
      "OUT_OF_ORDER_SEQUENCE_NUMBER",
      `${producerOf(batch)}: the log never held anything, so sequence 0 comes first, got ${baseSequence}`,
    );
  }
  const isNewEpoch = producerEpoch > entry.epoch;
  const expected = isNewEpoch || entry.lastSequence === noSequence ? 0 : sequencePlus(entry.lastSequence, 1);
  if (producerEpoch < entry.epoch)
    return refuse("INVALID_PRODUCER_EPOCH", `${producerOf(batch)}: a newer one with epoch ${entry.epoch} has written since`);
  if (baseSequence !== expected) {
    const original = entry.findRepeated(batch);
    if (original !== null) return { kind: "duplicate", original };
    return isNewEpoch
      ? refuse(
          "OUT_OF_ORDER_SEQUENCE_NUMBER",
          `${producerOf(batch)}: a new epoch (last was ${entry.epoch}) begins at 0, got ${baseSequence}`,
        )
      : refuse("OUT_OF_ORDER_SEQUENCE_NUMBER", `${producerOf(batch)}: expected sequence ${expected}, got ${baseSequence}`);
  }
  if (entry.transactionFirstOffset === -1 || batch.isTransactional) return append;
  return refuse(
    "INVALID_TXN_STATE",
    `${producerOf(batch)}: its transaction since offset ${entry.transactionFirstOffset} is open, got a batch outside of it`,
  );
}

function refuse(error: KafkaError, message: string): ProducerVerdict {
  return { kind: "refused", error, message };
}

function producerOf({ producerId, producerEpoch }: ProducedBatch): string {
  return `producer ${producerId} with epoch ${producerEpoch}`;
}
