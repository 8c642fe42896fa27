import { invariant } from "../../protocol/base/invariant.ts";
import type { WireAnswer, WireRequest } from "./wire.ts";

export type WatchKind = "node" | "children";

/** How the table sends requests to the server; `answered` gets null when the link broke first. */
export type SendWatch = (request: WireRequest, answered: (answer: WireAnswer | null) => void) => void;

interface Entry {
  readonly path: string;
  readonly kind: WatchKind;
  readonly listeners: Set<() => void>;
  /** The one function that the server's notification calls, so that arming twice cannot notify twice. */
  readonly fired: () => void;
  /** A watch is set on the server of the current link, or requested. */
  armed: boolean;
}

/** More distinct paths than this are a mistake: each is requested again at each reconnection. */
const pathsMax = 1_000;

/**
 * The watches that the owner wants, and their arming: ZooKeeper's are one-shot and end with the link. They are re-armed with one small
 * request each, never by one SetWatches packet, which has a size limit. Changes that were missed meanwhile are covered by calling every
 * listener once after each arming on a new link.
 *
 * No change is missed in between: the request that re-arms is sent before the listener is called, so a read made by the listener comes
 * after it on the same link.
 */
export class WatchTable {
  readonly #entries = new Map<string, Entry>();
  readonly #send: SendWatch;
  #linkIsUp = false;

  constructor(send: SendWatch) {
    this.#send = send;
  }

  add(path: string, kind: WatchKind, changed: () => void): () => void {
    const entry = this.#entry(path, kind);
    const listener = () => changed(); // the same function may be added twice
    entry.listeners.add(listener);
    if (this.#linkIsUp) {
      if (!entry.armed) this.#arm(entry, { tell: true });
      else queueMicrotask(() => entry.listeners.has(listener) && listener());
    }
    return () => {
      entry.listeners.delete(listener);
      if (entry.listeners.size === 0 && !entry.armed) this.#entries.delete(keyOf(path, kind));
    };
  }

  linkUp(): void {
    this.#linkIsUp = true;
    for (const entry of [...this.#entries.values()]) this.#arm(entry, { tell: true });
  }

  linkDown(): void {
    this.#linkIsUp = false;
    for (const [key, entry] of this.#entries) {
      entry.armed = false;
      if (entry.listeners.size === 0) this.#entries.delete(key);
    }
  }

  clear(): void {
    this.#linkIsUp = false;
    this.#entries.clear();
  }

  #entry(path: string, kind: WatchKind): Entry {
    const key = keyOf(path, kind);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    invariant(this.#entries.size < pathsMax, "few paths are watched, never one per partition", () => ({ path, pathsMax }));
    const entry: Entry = { path, kind, listeners: new Set(), armed: false, fired: () => this.#fired(entry) };
    this.#entries.set(key, entry);
    return entry;
  }

  #fired(entry: Entry): void {
    if (!entry.armed) return; // a notification of an earlier link
    entry.armed = false;
    if (entry.listeners.size === 0) {
      this.#entries.delete(keyOf(entry.path, entry.kind));
      return;
    }
    this.#arm(entry, { tell: false });
    this.#tell(entry);
  }

  #arm(entry: Entry, { tell }: { readonly tell: boolean }): void {
    if (!this.#linkIsUp) return;
    entry.armed = true;
    const watch = entry.fired;
    if (entry.kind === "node") {
      this.#send({ kind: "exists", path: entry.path, watch }, (answer) => this.#armAnswered(entry, answer, tell));
      return;
    }
    this.#send({ kind: "children", path: entry.path, watch }, (answer) => {
      if (answer?.kind === "children" && answer.list === null) this.#awaitNode(entry, tell);
      else this.#armAnswered(entry, answer, tell);
    });
  }

  /** The children of a missing znode cannot be watched; its creation can. */
  #awaitNode(entry: Entry, tell: boolean): void {
    this.#send({ kind: "exists", path: entry.path, watch: entry.fired }, (answer) => {
      // Created between the two requests: what is armed now is its data, not its children.
      if (answer?.kind === "node" && answer.node !== null) this.#arm(entry, { tell: true });
      else this.#armAnswered(entry, answer, tell);
    });
  }

  #armAnswered(entry: Entry, answer: WireAnswer | null, tell: boolean): void {
    if (answer === null) return; // the next link arms it
    if (answer.kind === "failed") entry.armed = false;
    if (tell) this.#tell(entry);
  }

  #tell(entry: Entry): void {
    // In a turn of its own: what a listener throws is its owner's bug, not a fault of the link.
    for (const listener of entry.listeners) queueMicrotask(() => entry.listeners.has(listener) && listener());
  }
}

function keyOf(path: string, kind: WatchKind): string {
  return `${kind}:${path}`;
}
