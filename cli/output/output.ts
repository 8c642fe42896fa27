import type { Writable } from "node:stream";

/** Standard output of a command: takes bytes as fast as the reader does, and ends quietly when the reader is gone (`| head`). */
export class Output {
  readonly #stream: Writable;
  readonly #closed = new AbortController();
  #failure: Error | null = null;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") this.#failure = error;
      this.#closed.abort();
    });
  }

  /** Aborts when nobody reads any more. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Resolves when more may be written. Rejects when writing failed for another reason than a reader that is gone. */
  async write(content: string | Buffer): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.closed.aborted || content.length === 0 || this.#stream.write(content)) return;
    await new Promise<void>((resolve) => {
      const settle = () => {
        this.#stream.off("drain", settle);
        this.closed.removeEventListener("abort", settle);
        resolve();
      };
      this.#stream.on("drain", settle);
      this.closed.addEventListener("abort", settle);
    });
    if (this.#failure !== null) throw this.#failure;
  }

  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  json(value: unknown): Promise<void> {
    return this.line(JSON.stringify(value));
  }
}
