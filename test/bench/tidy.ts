/** What was started and has to be ended, however the run ends. */
export class Tidy {
  readonly #ends: (() => Promise<unknown>)[] = [];

  /** `end` is called once, after those added later. */
  add(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  /** What is only starting when the run ends is awaited and ended then. A start that fails is the starter's own affair. */
  async starting<T>(start: Promise<T>, end: (started: T) => Promise<unknown>): Promise<T> {
    this.add(async () => {
      const started = await start.catch(() => null);
      if (started !== null) await end(started);
    });
    return start;
  }

  /** Ends all, the last first, each even if another fails; then throws the first failure. */
  async all(): Promise<void> {
    const failures: unknown[] = [];
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) await end().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}
