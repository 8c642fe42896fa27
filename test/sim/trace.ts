import { createHash } from "node:crypto";
import type { Logger } from "../../protocol/base/logger.ts";
import type { SimClock } from "./sim-clock.ts";

/** Lines kept for a failure's report. */
const keptLinesMax = 60;

export type TraceSink = (line: string, isQuiet: boolean) => void;

/** All that happens in a simulation, one line each. Two runs were the same if their hashes are the same. */
export class Trace {
  readonly #clock: SimClock;
  readonly #sink: TraceSink | null;
  readonly #hash = createHash("sha256");
  #kept: string[] = [];
  lines = 0;
  /** Rounds of compaction that brokers have logged. */
  compactions = 0;

  constructor(clock: SimClock, sink: TraceSink | null = null) {
    this.#clock = clock;
    this.#sink = sink;
  }

  /** `isQuiet`: counted and hashed, but not useful to a reader. */
  line(text: string, isQuiet = false): void {
    const line = `${this.#clock.nowMs.toFixed(3)} ${text}`;
    this.lines++;
    this.#hash.update(line).update("\n");
    this.#sink?.(line, isQuiet);
    if (isQuiet) return;
    this.#kept.push(line);
    if (this.#kept.length >= 2 * keptLinesMax) this.#kept = this.#kept.slice(-keptLinesMax);
  }

  get latest(): readonly string[] {
    return this.#kept.slice(-keptLinesMax);
  }

  digest(): string {
    return this.#hash.copy().digest("hex").slice(0, 16);
  }

  /** Called with what a process logs as an error. */
  onError: ((what: string) => void) | null = null;

  logger(owner: string, fields: object = {}): Logger {
    const say = (level: string) => (more: object, message: string) =>
      this.line(`${owner} ${level}: ${message} ${plain({ ...fields, ...more })}`, level === "debug");
    return {
      debug: say("debug"),
      info: (more, message) => {
        say("info")(more, message);
        if (message === "compacted a log") this.compactions++;
      },
      warn: say("warn"),
      error: (more, message) => {
        say("error")(more, message);
        this.onError?.(`${owner} reports an error: ${message}`);
      },
      child: (more) => this.logger(owner, { ...fields, ...more }),
    };
  }
}

function plain(fields: object): string {
  return JSON.stringify(fields, (_key, value) => {
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    if (value instanceof Map || value instanceof Set) return [...value];
    return typeof value === "bigint" ? String(value) : value;
  });
}
