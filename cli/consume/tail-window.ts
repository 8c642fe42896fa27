import type { RecordToFormat } from "../output/record-format.ts";

/** The latest records by timestamp that were added, as many as wanted. */
export class TailWindow<R extends RecordToFormat> {
  readonly #max: number;
  #kept: R[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  add(records: readonly R[]): void {
    // copies: what was fetched with them is not to stay in memory for them
    for (const record of records) this.#kept.push({ ...record, key: copied(record.key), value: copied(record.value) });
    if (this.#kept.length > 2 * this.#max + 1000) this.#kept = this.records();
  }

  /** In the order of time; those of one partition in theirs as long as its timestamps are. */
  records(): R[] {
    const isOnePartition = this.#kept.every(
      ({ topic, partition }) => topic === this.#kept[0]?.topic && partition === this.#kept[0]?.partition,
    );
    const inOrder = isOnePartition ? this.#kept : this.#kept.toSorted(byTime);
    return inOrder.slice(-this.#max);
  }
}

function byTime(a: RecordToFormat, b: RecordToFormat): number {
  return a.timestampMs - b.timestampMs || a.partition - b.partition || a.offset - b.offset;
}

function copied(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}
