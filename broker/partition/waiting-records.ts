/** Of the whole broker. A request's bytes count against other bounds only while its connection is there: these wait on when it is gone. */
const bytesMax = 64 * 1024 * 1024;
const batchesMax = 10_000;

/** Counts the memory of batches that wait to be looked at: all of a request's, of which a batch may be a small part. */
export class WaitingRecords {
  /** How many batches keep each. */
  readonly #kept = new Map<ArrayBufferLike, number>();
  #batches = 0;
  #bytes = 0;

  /** Returns the way to let go of them, to be called once; null: no more may wait. The first one may, whatever its size. */
  keep({ buffer }: Buffer): (() => void) | null {
    const keptBy = this.#kept.get(buffer) ?? 0;
    const bytes = keptBy === 0 ? buffer.byteLength : 0;
    if (this.#batches >= batchesMax || (this.#batches > 0 && this.#bytes + bytes > bytesMax)) return null;
    this.#kept.set(buffer, keptBy + 1);
    this.#batches++;
    this.#bytes += bytes;
    return () => this.#letGo(buffer);
  }

  #letGo(buffer: ArrayBufferLike): void {
    const keptBy = this.#kept.get(buffer) ?? 0;
    this.#batches--;
    if (keptBy > 1) return void this.#kept.set(buffer, keptBy - 1);
    this.#kept.delete(buffer);
    this.#bytes -= buffer.byteLength;
  }
}
