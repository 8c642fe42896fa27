/** Where an iteration gets what it hands out. */
export interface IterationSource<T> {
  /** The application asks for the next. */
  asked(): void;
  /** Nothing is handed out any more, whatever is there. */
  isClosed(): boolean;
  /** Nothing more will come. Asked only when nothing was there to take: a failure that waits for its turn is no end. */
  isAtEnd(): boolean;
  /** The next; null: it is not there yet. Throws what went wrong, which ends the iteration. */
  take(): T | null;
  /** Resolves at the next change. */
  changed(): Promise<void>;
  /** Called once, when nobody will ask any more. */
  finished(): void;
}

/** Written out rather than generated: most records are there already, and cost no more than a resolved promise. */
export function iterate<T>(source: IterationSource<T>): AsyncIterableIterator<T> {
  let isFinished = false;
  const finish = (): Promise<IteratorResult<T>> => {
    if (!isFinished) {
      isFinished = true;
      source.finished();
    }
    return Promise.resolve({ value: undefined, done: true });
  };
  const next = async (): Promise<IteratorResult<T>> => {
    if (!isFinished) source.asked();
    for (;;) {
      if (isFinished || source.isClosed()) return finish();
      const changed = source.changed();
      try {
        const value = source.take();
        if (value !== null) return { value, done: false };
      } catch (error) {
        await finish();
        throw error;
      }
      // what was taken may have been the last, though nothing was handed out
      if (source.isAtEnd()) return finish();
      await changed;
    }
  };
  const iterator: AsyncIterableIterator<T> = { next, return: finish, [Symbol.asyncIterator]: () => iterator };
  return iterator;
}
