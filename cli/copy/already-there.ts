import { createHash } from "node:crypto";
import type { RecordToFormat } from "../output/record-format.ts";

export interface ComparedBy {
  /** A copy is in the partition that its record is in. */
  readonly partition: boolean;
  /** The target keeps the records' times. */
  readonly timestamp: boolean;
}

/**
 * Records that were added to the target since the copy's position was saved: those of them that are copies are not made again. By contents,
 * as often as they are there.
 */
export class AlreadyThere {
  readonly #comparedBy: ComparedBy;
  readonly #counts = new Map<string, number>();
  #left = 0;

  constructor(comparedBy: ComparedBy) {
    this.#comparedBy = comparedBy;
  }

  /** Not found yet. */
  get left(): number {
    return this.#left;
  }

  add(record: RecordToFormat): void {
    const print = this.#fingerprint(record);
    this.#counts.set(print, (this.#counts.get(print) ?? 0) + 1);
    this.#left++;
  }

  /** Whether a copy of this record is there that was not taken for another. */
  take(record: RecordToFormat): boolean {
    if (this.#left === 0) return false;
    const print = this.#fingerprint(record);
    const count = this.#counts.get(print);
    if (count === undefined) return false;
    if (count === 1) this.#counts.delete(print);
    else this.#counts.set(print, count - 1);
    this.#left--;
    return true;
  }

  #fingerprint({ partition, timestampMs, key, value, headers }: RecordToFormat): string {
    const hash = createHash("sha1");
    const { partition: byPartition, timestamp: byTimestamp } = this.#comparedBy;
    // lengths before contents, so that no two records run together to the same bytes
    const parts = [key, value, ...headers.flatMap((header) => [Buffer.from(header.key), header.value])];
    hash.update(`${byPartition ? partition : ""} ${byTimestamp ? timestampMs : ""} ${parts.map((part) => part?.length ?? "-").join()}:`);
    for (const part of parts) if (part !== null) hash.update(part);
    return hash.digest("base64");
  }
}
