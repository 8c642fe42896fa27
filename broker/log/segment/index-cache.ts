import { invariant } from "../../../protocol/base/invariant.ts";

/**
 * Index files as they were read, by path, at most `bytesMax` together: the least recently used go first. One larger than that is not kept.
 */
export class IndexCache {
  readonly #bytesMax: number;
  readonly #contents = new Map<string, Buffer>();
  #bytes = 0;
  #version = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get sizeInBytes(): number {
    return this.#bytes;
  }

  /** Rises whenever something is forgotten: a file read before that may not be what it was. */
  get version(): number {
    return this.#version;
  }

  get(path: string): Buffer | null {
    const content = this.#contents.get(path);
    if (content === undefined) return null;
    this.#contents.delete(path);
    this.#contents.set(path, content);
    return content;
  }

  set(path: string, content: Buffer): void {
    this.#drop(path);
    if (content.length > this.#bytesMax) return;
    this.#contents.set(path, content);
    this.#bytes += content.length;
    for (const oldest of this.#contents.keys()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#drop(oldest);
    }
    invariant(this.#bytes >= 0 && this.#bytes <= this.#bytesMax, "cached indexes stay within their bound", () => ({ bytes: this.#bytes }));
  }

  /** To be called when the file was changed other than by appending, or deleted. */
  forget(path: string): void {
    this.#version++;
    this.#drop(path);
  }

  #drop(path: string): void {
    const content = this.#contents.get(path);
    if (content === undefined) return;
    this.#contents.delete(path);
    this.#bytes -= content.length;
  }
}
