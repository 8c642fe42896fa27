/** Less than the producer's buffer, so that a send never waits for room, nor fails for lack of it. */
export const underWayMax = { linesMax: 50_000, bytesMax: 16 * 1024 * 1024 };

/** Lines that were handed to the producer and are not settled: bounded, so that reading waits for sending. */
export class UnderWay {
  readonly #linesMax: number;
  readonly #bytesMax: number;
  #lines = 0;
  #bytes = 0;
  #waiting: (() => void) | null = null;

  constructor({ linesMax, bytesMax }: { readonly linesMax: number; readonly bytesMax: number }) {
    this.#linesMax = linesMax;
    this.#bytesMax = bytesMax;
  }

  begin(bytes: number): void {
    this.#lines++;
    this.#bytes += bytes;
  }

  end(bytes: number): void {
    this.#lines--;
    this.#bytes -= bytes;
    // half of it, so that the waiting reader is not woken for every line
    if (this.#lines <= this.#linesMax / 2 && this.#bytes <= this.#bytesMax / 2) this.#release();
  }

  get isFull(): boolean {
    return this.#lines >= this.#linesMax || this.#bytes >= this.#bytesMax;
  }

  /** Resolves when half of it is free again. For one waiting caller at a time. */
  room(): Promise<void> {
    if (!this.isFull) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #release(): void {
    this.#waiting?.();
    this.#waiting = null;
  }
}
