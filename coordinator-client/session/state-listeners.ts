import { CoordinatorUnavailable, type SessionState } from "../coordinator.ts";

type Listener = (state: SessionState, sessionNumber: number) => void;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** The session's state and the listeners to its changes. `closed` is final. */
export class StateListeners {
  readonly #listeners = new Set<{ readonly call: Listener }>();
  readonly #waiters = new Set<Waiter>();
  #current: SessionState = "connecting";

  get current(): SessionState {
    return this.#current;
  }

  /**
   * Listeners are called in a turn of their own, in order: what one throws is its owner's bug and must not pass through the link's code.
   */
  set(state: SessionState, sessionNumber: number): void {
    if (state === this.#current || this.#current === "closed") return;
    this.#current = state;
    for (const listener of this.#listeners) {
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener.call(state, sessionNumber);
      });
    }
    if (state === "connected") this.#settle(({ resolve }) => resolve());
    if (state === "closed") this.#settle(({ reject }) => reject(closedError()));
  }

  listen(call: Listener): () => void {
    const listener = { call };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  connected(signal?: AbortSignal): Promise<void> {
    if (this.#current === "closed") return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#current === "connected") return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      const done =
        <A extends unknown[]>(settle: (...args: A) => void) =>
        (...args: A) => {
          signal?.removeEventListener("abort", onAbort);
          settle(...args);
        };
      const waiter: Waiter = { resolve: done(resolve), reject: done(reject) };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #settle(settle: (waiter: Waiter) => void): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) settle(waiter);
  }
}

function closedError(): CoordinatorUnavailable {
  return new CoordinatorUnavailable("the coordinator session was closed");
}
