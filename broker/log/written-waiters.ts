interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Those who wait for a log to have written up to an offset, by that offset. As many as there are appends under way, which the network
 * bounds.
 */
export class WrittenWaiters {
  #waiters: Waiter[] = [];

  wait(offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      // callers wait for what they just appended, so the place is nearly always at the end
      let at = this.#waiters.length;
      while (at > 0 && this.#waiters[at - 1]!.offset > offset) at--;
      this.#waiters.splice(at, 0, { offset, resolve, reject });
    });
  }

  reached(writtenEndOffset: number): void {
    let count = 0;
    while (count < this.#waiters.length && this.#waiters[count]!.offset <= writtenEndOffset) count++;
    if (count === 0) return;
    for (const waiter of this.#waiters.splice(0, count)) waiter.resolve();
  }

  fail(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
