import { sampleValues } from "../../../cli/bench/sample-values.ts";
import type { Tally } from "./orders.ts";

/** Every so many records, one is compared byte by byte. */
const comparedEvery = 97;

/** Counts values and sums up some of their bytes: cheap, for it is part of what every client does while it is measured. */
export class ValueTally {
  readonly #expected: ReadonlySet<string>;
  readonly #bytes: number;
  #records = 0;
  #sum = 0;

  constructor(recordBytes: number) {
    this.#bytes = recordBytes;
    this.#expected = new Set(sampleValues(recordBytes).map((value) => value.toString("latin1")));
  }

  get records(): number {
    return this.#records;
  }

  get tally(): Tally {
    return { records: this.#records, sum: this.#sum };
  }

  /** Throws when the value is none of the samples. */
  add(value: Buffer): void {
    this.#records++;
    this.#sum += fingerprint(value);
    if (value.length !== this.#bytes) throw new Error(`a value of ${value.length} bytes`);
    if (this.#records % comparedEvery === 0 && !this.#expected.has(value.toString("latin1"))) throw new Error("a value that nobody wrote");
  }
}

export function fingerprint(value: Buffer): number {
  const middle = value.length >>> 1;
  return (value[middle] as number) * 256 + (value[middle + 1] as number);
}
