import { readFileSync } from "node:fs";

const lookEveryMs = 100;

/** The most memory that another process had resident so far, as the kernel counts it. */
export class PeakMemory {
  readonly #timer: NodeJS.Timeout;
  #peakMib = 0;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        this.#peakMib = Math.max(this.#peakMib, Math.round(Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024));
      } catch {
        // it has ended
      }
    }, lookEveryMs);
  }

  end(): number {
    clearInterval(this.#timer);
    return this.#peakMib;
  }
}
