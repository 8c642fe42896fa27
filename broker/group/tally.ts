/** How often each word was counted. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(words: Iterable<string>): void {
    for (const word of words) this.#counts.set(word, this.count(word) + 1);
  }

  remove(words: Iterable<string>): void {
    for (const word of words) {
      const left = this.count(word) - 1;
      if (left > 0) this.#counts.set(word, left);
      else this.#counts.delete(word);
    }
  }

  /** Of different words. */
  get size(): number {
    return this.#counts.size;
  }

  count(word: string): number {
    return this.#counts.get(word) ?? 0;
  }

  words(): Iterable<string> {
    return this.#counts.keys();
  }
}
