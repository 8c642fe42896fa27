/** Readers of one segment that are remembered. */
const bookmarksMax = 16;

/**
 * Where the batch that comes next starts, for those who read a segment in order: they need no index, and read no batch a second time only
 * to pass it. Belongs to one `Segment`, like what was checked of it.
 */
export class Bookmarks {
  /** Positions by offset, the oldest first. */
  readonly #positions = new Map<number, number>();

  /** A batch that was read, and was sound, ends at `position`; the next offset is `offset`. */
  note(offset: number, position: number): void {
    this.#positions.delete(offset);
    this.#positions.set(offset, position);
    if (this.#positions.size <= bookmarksMax) return;
    for (const oldest of this.#positions.keys()) {
      this.#positions.delete(oldest);
      return;
    }
  }

  /** Null: nobody left off there lately. */
  at(offset: number): number | null {
    return this.#positions.get(offset) ?? null;
  }

  forget(): void {
    this.#positions.clear();
  }
}
