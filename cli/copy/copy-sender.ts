import type { Producer } from "../../client/producer/producer.ts";
import type { RecordToFormat } from "../output/record-format.ts";
import { UnderWay, underWayMax } from "../produce/under-way.ts";

export interface TargetOfCopy {
  readonly topic: string;
  readonly keepsPartitions: boolean;
  /** By partition: where its log ends. */
  readonly ends: readonly number[];
}

/** Sends copies, reading no further ahead than the producer accepts, and knows where the target's partitions end. */
export class CopySender {
  readonly #producer: Producer;
  readonly #target: TargetOfCopy;
  readonly #underWay = new UnderWay(underWayMax);
  readonly #ends: number[];
  #failure: Error | null = null;
  acknowledged = 0;
  bytes = 0;

  constructor(producer: Producer, target: TargetOfCopy) {
    this.#producer = producer;
    this.#target = target;
    this.#ends = [...target.ends];
  }

  /** Resolves when the next may be sent. Rejects once one has failed. */
  async send({ partition, timestampMs, key, value, headers }: RecordToFormat): Promise<void> {
    if (this.#underWay.isFull) await this.#underWay.room();
    if (this.#failure !== null) throw this.#failure;
    const bytes = (key?.length ?? 0) + (value?.length ?? 0);
    this.#underWay.begin(bytes);
    const { topic, keepsPartitions } = this.#target;
    const where = { topic, ...(keepsPartitions ? { partition } : {}), ...(timestampMs < 0 ? {} : { timestampMs }) };
    this.#producer
      .send({ ...where, key, value, headers })
      .then(
        (stored) => {
          this.acknowledged++;
          this.bytes += bytes;
          this.#ends[stored.partition] = Math.max(this.#ends[stored.partition] ?? 0, stored.offset + 1);
        },
        (error: Error) => {
          this.#failure ??= error;
        },
      )
      .finally(() => this.#underWay.end(bytes));
  }

  /** Resolves when everything sent is stored. Rejects when something is not. */
  async settle(): Promise<void> {
    await this.#producer.flush();
    // the answers' own callbacks
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#failure !== null) throw this.#failure;
  }

  /** Everything that was sent is before these, once it has settled. What others have written since may be, too. */
  get ends(): readonly number[] {
    return this.#ends;
  }
}
