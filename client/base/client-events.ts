import type { Logger } from "../../protocol/base/logger.ts";
import { type ClientEventMap, type ClientEventName, clientEventNames } from "./client-event-map.ts";
import { InvalidArgument } from "./errors.ts";

export type ClientListener<E extends ClientEventName> = (event: ClientEventMap[E]) => void;

/** What producer, consumer and admin have of it. */
export interface EventSource {
  on<E extends ClientEventName>(event: E, listener: ClientListener<E>): () => void;
}

/** Who else hears of an event, besides listeners. */
export interface EventChannel {
  readonly hasSubscribers: boolean;
  publish(event: ClientEventMap[ClientEventName]): void;
}

/** Of one event. More is a listener added again and again and never taken away. */
const listenersMax = 100;

type Heard<E extends ClientEventName> = { readonly listeners: Set<ClientListener<E>>; readonly channel: EventChannel | null };

/** Tells whoever listens. Where nobody does, `has` is all that an event costs. */
export class ClientEvents implements EventSource {
  readonly #by: { readonly [E in ClientEventName]: Heard<E> };
  readonly #log: Logger;

  constructor(log: Logger, channelOf: (event: ClientEventName) => EventChannel | null = () => null) {
    this.#log = log;
    const heard = clientEventNames.map((event) => [event, { listeners: new Set(), channel: channelOf(event) }] as const);
    this.#by = Object.fromEntries(heard) as { readonly [E in ClientEventName]: Heard<E> };
  }

  /** The listener is called from within the client's work: what takes long belongs elsewhere. Returns a function that takes it away. */
  on<E extends ClientEventName>(event: E, listener: ClientListener<E>): () => void {
    if (!Object.hasOwn(this.#by, event)) throw new InvalidArgument(`no event "${event}": ${clientEventNames.join(", ")} are there`);
    const { listeners } = this.#by[event];
    if (listeners.size >= listenersMax) throw new InvalidArgument(`${listenersMax} listeners for "${event}" are there already`);
    // of its own: the same function may be added twice, and is taken away once for each
    const own: ClientListener<E> = (value) => listener(value);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  has(event: ClientEventName): boolean {
    const { listeners, channel } = this.#by[event];
    return listeners.size > 0 || channel?.hasSubscribers === true;
  }

  /** What a listener throws is its own affair: the client goes on. */
  emit<E extends ClientEventName>(event: E, value: ClientEventMap[E]): void {
    const { listeners, channel } = this.#by[event];
    if (channel?.hasSubscribers === true) channel.publish(value);
    for (const listener of [...listeners]) {
      try {
        listener(value);
      } catch (error) {
        this.#log.warn({ event, err: error }, "a listener threw");
      }
    }
  }
}
