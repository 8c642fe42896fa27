import { createWriteStream, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import type { Event } from "./events.ts";

type WithoutMoment<E> = E extends unknown ? Omit<E, "at"> : never;

/** All events of a run: in memory for the checks, and as lines of JSON in a file for whoever looks into a failure. */
export class History {
  readonly events: Event[] = [];
  readonly #startedMs = performance.now();
  readonly #file: WriteStream;
  readonly #listeners: ((event: Event) => void)[] = [];
  #isClosed = false;

  constructor(path: string) {
    this.#file = createWriteStream(path);
  }

  /** Milliseconds since the start, to a tenth. */
  now(): number {
    return Math.round((performance.now() - this.#startedMs) * 10) / 10;
  }

  /** What comes after the end is not heard: clients of a run that failed may still be at work. */
  add(event: WithoutMoment<Event>): void {
    if (this.#isClosed) return;
    const at = { at: this.now(), ...event } as Event;
    this.events.push(at);
    this.#file.write(`${JSON.stringify(at)}\n`);
    for (const listener of this.#listeners) listener(at);
  }

  listen(listener: (event: Event) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#file.end();
    await finished(this.#file);
  }
}
