/** The source of what an iteration hands out. */
export interface IterationSource<T> {
  /** The application asks for the next. */
  asked(): void;
  /** Nothing is handed out any more, whatever is available. */
  isClosed(): boolean;
  /** Nothing more will come. Checked only when nothing was available: a failure that waits for its turn is not an end. */
  isAtEnd(): boolean;
  /** The next; null: it is not available yet. Throws a failure, which ends the iteration. */
  take(): T | null;
  /** Resolves at the next change. */
  changed(): Promise<void>;
  /** Called once, when nothing will be requested any more. */
  finished(): void;
}

/** Written by hand instead of as a generator: most records are available already, and cost no more than a resolved promise. */
export function iterate<T>(source: IterationSource<T>): AsyncIterableIterator<T> {
  let isFinished = false;
  const finish = (): Promise<IteratorResult<T>> => {
    if (!isFinished) {
      isFinished = true;
      source.finished();
    }
    return Promise.resolve({ value: undefined, done: true });
  };
  /** The next, or the end; null: neither is there yet. */
  const look = (): Promise<IteratorResult<T>> | null => {
    if (isFinished || source.isClosed()) return finish();
    try {
      const value = source.take();
      if (value !== null) return Promise.resolve({ value, done: false });
    } catch (error) {
      return finish().then(() => Promise.reject(error));
    }
    // what was taken may have been the last, even though nothing was handed out
    return source.isAtEnd() ? finish() : null;
  };
  const lookAfter = async (change: Promise<void>): Promise<IteratorResult<T>> => {
    for (let changed = change; ; ) {
      await changed;
      changed = source.changed();
      const found = look();
      if (found !== null) return found;
    }
  };
  const next = (): Promise<IteratorResult<T>> => {
    if (!isFinished) source.asked();
    const changed = source.changed();
    return look() ?? lookAfter(changed);
  };
  const iterator: AsyncIterableIterator<T> = { next, return: finish, [Symbol.asyncIterator]: () => iterator };
  return iterator;
}
