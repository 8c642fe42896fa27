import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import { readBatchInfo } from "../../../protocol/records/batch-header.ts";

interface Remembered {
  readonly baseSequence: number;
  readonly recordsCount: number;
  readonly baseOffset: number;
}

interface Known {
  epoch: number;
  readonly last: Remembered[];
}

/** What a partition's leader knows of its producers, by Kafka's rules. Records of producers that are not idempotent pass. */
export class FakeSequences {
  readonly #producers = new Map<number, Known>();

  /** Null: append. */
  judge(batch: Buffer): { readonly duplicateOf: number } | KafkaErrorCode | null {
    const { producerId, producerEpoch, baseSequence, recordsCount } = read(batch);
    const known = this.#producers.get(producerId);
    if (producerId < 0 || known === undefined) return null;
    if (producerEpoch < known.epoch) return "INVALID_PRODUCER_EPOCH";
    if (producerEpoch > known.epoch) return baseSequence === 0 ? null : "OUT_OF_ORDER_SEQUENCE_NUMBER";
    const same = known.last.find((one) => one.baseSequence === baseSequence && one.recordsCount === recordsCount);
    if (same !== undefined) return { duplicateOf: same.baseOffset };
    const last = known.last.at(-1);
    return last === undefined || last.baseSequence + last.recordsCount === baseSequence ? null : "OUT_OF_ORDER_SEQUENCE_NUMBER";
  }

  appended(batch: Buffer, baseOffset: number): void {
    const { producerId, producerEpoch, baseSequence, recordsCount, isControl } = read(batch);
    if (producerId < 0 || isControl) return;
    let known = this.#producers.get(producerId);
    if (known === undefined || known.epoch !== producerEpoch) {
      known = { epoch: producerEpoch, last: [] };
      this.#producers.set(producerId, known);
    }
    known.last.push({ baseSequence, recordsCount, baseOffset });
    if (known.last.length > 5) known.last.shift();
  }

  /** As after an unclean election. */
  forget(): void {
    this.#producers.clear();
  }
}

function read(batch: Buffer) {
  const info = readBatchInfo(batch, 0);
  if (info === null) throw new Error("no batch");
  return info;
}
