/**
 * Which of the replicas that are new here are fetched: so many at a time, in the order in which they came. All of them at once would share
 * the network and the disks, and none be in sync for long. What waits is in the topics' znodes, so nothing is lost when this broker
 * restarts.
 */
export class CatchUpTurns {
  readonly #max: number;
  readonly #fetched = new Set<string>();
  readonly #waiting = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Whether this one, by key, is new here and not in sync. Returns those whose turn begins. */
  note(key: string, isNewcomer: boolean): readonly string[] {
    if (!isNewcomer) {
      this.#fetched.delete(key);
      this.#waiting.delete(key);
    } else if (!this.#fetched.has(key)) this.#waiting.add(key);
    const begun: string[] = [];
    for (const next of this.#waiting) {
      if (this.#fetched.size >= this.#max) break;
      this.#waiting.delete(next);
      this.#fetched.add(next);
      begun.push(next);
    }
    return begun;
  }

  hasToWait(key: string): boolean {
    return this.#waiting.has(key);
  }
}
