import { complain } from "../output/complaints.ts";
import { type Progress, progress } from "../output/progress.ts";
import { formatBytes, formatCount, formatPerSecond, formatSeconds } from "../output/units.ts";

/** Where there is no terminal to draw on, a line says this often how far it is. */
const toldEveryMs = 10_000;

/** How far a copy is, and how it went. */
export class CopyReport {
  readonly #total: number | null;
  readonly #now: () => number;
  readonly #startedAtMs: number;
  readonly #bar: Progress;
  #toldAtMs: number;
  /** Offsets of the source that were passed. */
  #passed = 0;
  copied = 0;
  /** Copies of an earlier run that were found. */
  found = 0;
  bytes = 0;
  /** How far this run brought it is saved. */
  isSaved = false;

  /** `total`: offsets from where it begins to where it ends; null: it does not end. */
  constructor(total: number | null, now: () => number) {
    this.#total = total;
    this.#now = now;
    this.#startedAtMs = now();
    this.#toldAtMs = this.#startedAtMs;
    this.#bar = progress("copied", total === 0 ? null : total);
  }

  get durationMs(): number {
    return this.#now() - this.#startedAtMs;
  }

  passed(offsets: number): void {
    this.#passed += offsets;
    this.#bar.show(this.#total === null ? this.#passed : Math.min(this.#passed, this.#total), this.#rate());
    if (process.stderr.isTTY || this.#now() - this.#toldAtMs < toldEveryMs) return;
    this.#toldAtMs = this.#now();
    const of = this.#total === null ? "" : ` of ${this.#total.toLocaleString("en")}`;
    complain(`at ${this.#passed.toLocaleString("en")}${of} offsets, ${this.#rate()}`);
  }

  end(): void {
    this.#bar.end();
  }

  text(): string {
    const there = this.found === 0 ? "" : `, ${formatCount(this.found, "record")} were there already`;
    return `copied ${formatCount(this.copied, "record")} (${formatBytes(this.bytes)}) in ${formatSeconds(this.durationMs)}, ${this.#rate()}${there}`;
  }

  #rate(): string {
    return `${formatPerSecond(this.copied, this.durationMs)} records/s`;
  }
}
