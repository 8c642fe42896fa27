import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { codeOf } from "./files.ts";

const pauseMs = 100;
const tellAgainMs = 60_000;

/**
 * Opening a file takes a descriptor, of which a process may have only so many. That none is left says nothing about the disk, so a log
 * directory must not be given up for it: what needs one waits until one is free, however long that takes, and the log says so once a
 * minute.
 */
export class DescriptorShortage {
  readonly #clock: Clock;
  readonly #log: Logger;
  #waiting = 0;
  #toldMs = Number.NEGATIVE_INFINITY;
  #sinceMs = 0;
  #isTold = false;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  async untilFree<T>(open: () => Promise<T>): Promise<T> {
    try {
      return await open();
    } catch (error) {
      if (!isShortage(error)) throw error;
      return this.#wait(open, codeOf(error));
    }
  }

  async #wait<T>(open: () => Promise<T>, code: string | null): Promise<T> {
    if (this.#waiting++ === 0) this.#sinceMs = this.#clock.monotonicMs();
    try {
      for (;;) {
        this.#tell(code);
        await sleep(this.#clock, pauseMs);
        try {
          return await open();
        } catch (error) {
          if (!isShortage(error)) throw error;
        }
      }
    } finally {
      this.#waiting--;
      this.#tellEnd();
    }
  }

  #tell(code: string | null): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldMs < tellAgainMs) return;
    this.#toldMs = nowMs;
    this.#isTold = true;
    const remedy = code === "ENFILE" ? "the machine's (fs.file-max)" : "this process's (ulimit -n, LimitNOFILE)";
    const fields = { code, waiting: this.#waiting, forMs: Math.round(nowMs - this.#sinceMs) };
    this.#log.error(fields, `no file can be opened: too many are open. What needs one waits; raise the limit of open files, ${remedy}`);
  }

  #tellEnd(): void {
    if (this.#waiting > 0 || !this.#isTold) return;
    this.#isTold = false;
    this.#log.info({ forMs: Math.round(this.#clock.monotonicMs() - this.#sinceMs) }, "files can be opened again");
  }
}

function isShortage(error: unknown): boolean {
  const code = codeOf(error);
  return code === "EMFILE" || code === "ENFILE";
}
