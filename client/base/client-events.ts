import type { Logger } from "../../protocol/base/logger.ts";
import { InvalidArgument } from "./errors.ts";

/** Something failed for a reason that may go away, and is tried again. */
export interface RetryEvent {
  /** Whom it concerns: `orders-0`, `topic orders`, `group readers`, `a producer id`, `the cluster`. */
  readonly what: string;
  /** Null: it is about more than one topic, or none. */
  readonly topic: string | null;
  /** Null: it is about the whole topic, or none. */
  readonly partition: number | null;
  /** A sentence for people, `what` included: `orders-0 has 1 of 2 required in-sync replicas: brokers 2, 3 are missing`. */
  readonly reason: string;
  /** The failure behind it. */
  readonly error: Error;
  /** Failures in a row, this one included. */
  readonly failures: number;
  /** Since the first of them, or since the request that is not answered. Milliseconds. */
  readonly waitedMs: number;
  /** The client gives up then. Milliseconds since 1970; null: when it is closed, or whatever needs it gives up. */
  readonly untilMs: number | null;
}

/** What was tried again worked at last, or was given up: the caller then gets its error. */
export interface SettledEvent {
  readonly what: string;
  readonly topic: string | null;
  readonly partition: number | null;
  readonly outcome: "worked" | "gave-up";
  readonly failures: number;
  readonly waitedMs: number;
}

/** What a client tells of, by name. */
export interface ClientEventMap {
  /** At the first failure, when the reason changes, and at most once a second while it stays the same. */
  readonly retry: RetryEvent;
  /** Once for everything of which `retry` was told. */
  readonly settled: SettledEvent;
}

export type ClientEventName = keyof ClientEventMap;
export type ClientListener<E extends ClientEventName> = (event: ClientEventMap[E]) => void;

/** What producer, consumer and admin have of it. */
export interface EventSource {
  on<E extends ClientEventName>(event: E, listener: ClientListener<E>): () => void;
}

/** Of one event. More is a listener added again and again and never taken away. */
const listenersMax = 100;

/** Tells whoever listens. Where nobody does, `has` is all that an event costs. */
export class ClientEvents implements EventSource {
  readonly #listeners: { readonly [E in ClientEventName]: Set<ClientListener<E>> } = { retry: new Set(), settled: new Set() };
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The listener is called from within the client's work: what takes long belongs elsewhere. Returns a function that takes it away. */
  on<E extends ClientEventName>(event: E, listener: ClientListener<E>): () => void {
    const listeners = this.#listeners[event];
    if (listeners === undefined) throw new InvalidArgument(`no event "${event}": ${Object.keys(this.#listeners).join(", ")} are there`);
    if (listeners.size >= listenersMax) throw new InvalidArgument(`${listenersMax} listeners for "${event}" are there already`);
    // of its own: the same function may be added twice, and is taken away once for each
    const own: ClientListener<E> = (value) => listener(value);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  has(event: ClientEventName): boolean {
    return this.#listeners[event].size > 0;
  }

  /** What a listener throws is its own affair: the client goes on. */
  emit<E extends ClientEventName>(event: E, value: ClientEventMap[E]): void {
    for (const listener of [...this.#listeners[event]]) {
      try {
        listener(value);
      } catch (error) {
        this.#log.warn({ event, err: error }, "a listener threw");
      }
    }
  }
}
