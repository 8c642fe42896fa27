import type { Event } from "../history/events.ts";
import type { History } from "../history/history.ts";

/** How far readers and groups have got, by what the history tells as it comes in. */
export class Progress {
  /** By reader or group, and partition: the offset after the last one that was handed out. */
  readonly #reached = new Map<string, Map<number, number>>();

  constructor(history: Pick<History, "listen">) {
    history.listen((event) => this.#hear(event));
  }

  of(name: string): ReadonlyMap<number, number> {
    return this.#reached.get(name) ?? new Map();
  }

  hasReached(name: string, ends: ReadonlyMap<number, number>): boolean {
    const reached = this.of(name);
    return [...ends].every(([partition, end]) => (reached.get(partition) ?? 0) >= end);
  }

  #hear(event: Event): void {
    if (event.kind !== "read" && event.kind !== "handed") return;
    const [name, to] = event.kind === "read" ? [event.reader, event.offset + 1] : [event.group, event.to];
    const ofName = this.#reached.get(name) ?? new Map<number, number>();
    this.#reached.set(name, ofName);
    ofName.set(event.partition, Math.max(ofName.get(event.partition) ?? 0, to));
  }
}
