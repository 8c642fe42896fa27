import type { RecordToFormat, ValueFormat } from "../output/record-format.ts";
import { decodeValue } from "./decode-values.ts";
import { RecordFilter } from "./filter/record-filter.ts";

export interface SelectionOptions {
  /** Only records with exactly this key; null: all. */
  readonly key: string | null;
  /** Only records whose value as text matches. */
  readonly grep: RegExp | null;
  /** Only records for which this expression holds. */
  readonly filter: string | null;
  /** Decode values before anything looks at them. */
  readonly decode: ValueFormat | null;
}

/** Which records are printed, and what their values mean. What costs least is asked first. */
export class RecordSelection implements Disposable {
  readonly #key: Buffer | null;
  readonly #grep: RegExp | null;
  readonly #decode: ValueFormat | null;
  readonly #filter: RecordFilter | null;

  private constructor({ key, grep, decode }: SelectionOptions, filter: RecordFilter | null) {
    this.#key = key === null ? null : Buffer.from(key);
    this.#grep = grep;
    this.#decode = decode;
    this.#filter = filter;
  }

  /** Throws UsageError for a filter that is no expression. */
  static async open(options: SelectionOptions): Promise<RecordSelection> {
    return new RecordSelection(options, options.filter === null ? null : await RecordFilter.start(options.filter));
  }

  /** Some records may be left out. */
  get isSelective(): boolean {
    return this.#key !== null || this.#grep !== null || this.#filter !== null;
  }

  async select<R extends RecordToFormat>(records: readonly R[]): Promise<readonly R[]> {
    const [key, grep, decode] = [this.#key, this.#grep, this.#decode];
    let selected = records;
    if (key !== null) selected = selected.filter((record) => record.key?.equals(key));
    if (decode !== null) selected = selected.map((record) => decodeValue(record, decode));
    if (grep !== null) selected = selected.filter(({ value }) => value !== null && grep.test(value.toString("utf8")));
    return this.#filter === null ? selected : this.#filter.select(selected);
  }

  /** What the user should know at the end. */
  summary(): string | null {
    return this.#filter?.summary() ?? null;
  }

  [Symbol.dispose](): void {
    this.#filter?.[Symbol.dispose]();
  }
}
