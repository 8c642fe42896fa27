import type { Writable } from "node:stream";
import { CommandFailed } from "./command-failed.ts";
import { type Look, lookOf } from "./look.ts";
import { printable } from "./terminal-text.ts";

/** Standard output of a command: writes bytes as fast as the reader reads, and ends quietly when the reader is gone (`| head`). */
export class Output {
  readonly #stream: Writable;
  readonly #closed = new AbortController();
  readonly #look: () => Look;
  #failure: CommandFailed | null = null;

  /** `look`: where what is written goes in the end, unless it is the stream. */
  constructor(stream: Writable, look: () => Look = () => lookOf(stream as Partial<typeof process.stdout>, process.env)) {
    this.#stream = stream;
    this.#look = look;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE")
        this.#failure ??= new CommandFailed(`standard output cannot be written: ${error.message}`, { cause: error });
      this.#closed.abort();
    });
  }

  /** As it is now: a terminal's window changes its size. */
  get look(): Look {
    return this.#look();
  }

  /** Aborts when nothing can be written any more. */
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

  /**
   * Resolves when everything written, by any caller, has reached the reader. Rejects as `write` does: a stream reports a failure only after
   * the write returned.
   */
  async flushed(): Promise<void> {
    if (!this.closed.aborted) {
      // an empty write is called back after those before it; its own error is the stream's, which the listener has or is about to get
      await new Promise<void>((resolve) => this.#stream.write("", () => setImmediate(resolve)));
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** One line, whatever is in the text. */
  line(text: string): Promise<void> {
    return this.write(`${printable(text)}\n`);
  }

  /** Escapes the characters that JSON leaves alone but terminals interpret. */
  json(value: unknown): Promise<void> {
    return this.line(JSON.stringify(value));
  }
}
