import { complain } from "../output/complaints.ts";
import type { Output } from "../output/output.ts";
import { type Progress, progress, silent } from "../output/progress.ts";
import type { RecordFormat, RecordToFormat } from "../output/record-format.ts";
import { formatBytes, formatCount, formatPerSecond, formatSeconds } from "../output/units.ts";
import { printRecords } from "./print-records.ts";
import type { RecordSelection } from "./record-selection.ts";

export interface PrinterOptions {
  readonly output: Output;
  readonly format: RecordFormat;
  readonly selection: RecordSelection;
  /** How many records to print; null: no end. */
  readonly recordsMax: number | null;
  /** Milliseconds of a clock that does not step. */
  readonly now: () => number;
  /** No word about how many there were. */
  readonly isQuiet: boolean;
}

/** Prints the records that are wanted, and tells how many there were and how fast they came. */
export class RecordPrinter implements Disposable {
  readonly #options: PrinterOptions;
  readonly #startedAtMs: number;
  /** Drawn from the first record on: before, there may be something to say. */
  #progress: Progress | null = null;
  #read = 0;
  #printed = 0;
  #bytes = 0;

  constructor(options: PrinterOptions) {
    this.#options = options;
    this.#startedAtMs = options.now();
  }

  /** As many as wanted were printed. */
  get isDone(): boolean {
    return this.#left <= 0;
  }

  get output(): Output {
    return this.#options.output;
  }

  get #left(): number {
    return (this.#options.recordsMax ?? Number.POSITIVE_INFINITY) - this.#printed;
  }

  /** Resolves with those that were printed, when more may be. */
  async print<R extends RecordToFormat>(records: readonly R[]): Promise<readonly R[]> {
    const { selection, format, output } = this.#options;
    const selected = await selection.select(records);
    const printed = selected.length > this.#left ? selected.slice(0, this.#left) : selected;
    this.#read += records.length;
    await printRecords(printed, format, output);
    this.#printed += printed.length;
    for (const { key, value } of printed) this.#bytes += (key?.length ?? 0) + (value?.length ?? 0);
    this.#progress ??= this.#startProgress();
    this.#progress.show(this.#printed, this.#figures());
    return printed;
  }

  /** Where the records themselves go to the terminal, a line in between would only be in the way. */
  #startProgress(): Progress {
    return this.#options.isQuiet || process.stdout.isTTY ? silent : progress("consumed", null);
  }

  /** The summary on standard error; none where nobody reads any more. */
  end(): void {
    this.#progress?.end();
    if (this.#options.isQuiet || this.output.closed.aborted) return;
    const note = this.#options.selection.summary();
    if (note !== null) complain(note);
    process.stderr.write(`${this.#figures()}\n`);
  }

  /** Ends what is drawn on the terminal, whatever happened: it would keep the process alive. */
  [Symbol.dispose](): void {
    this.#progress?.end();
  }

  #figures(): string {
    const durationMs = this.#options.now() - this.#startedAtMs;
    const rate = formatPerSecond(this.#printed, durationMs);
    const of = this.#options.selection.isSelective ? ` of ${this.#read.toLocaleString("en")} read` : "";
    return `${formatCount(this.#printed, "record")}${of} (${formatBytes(this.#bytes)}) in ${formatSeconds(durationMs)}, ${rate} records/s`;
  }
}
