import { type Random, randomInt } from "../../protocol/base/random.ts";
import {
  type Address,
  ConnectionRefused,
  formatAddress,
  type Link,
  type LinkHandlers,
  type Listener,
  type Transport,
} from "../../protocol/base/transport.ts";
import type { SimClock } from "./sim-clock.ts";
import { type LinkWorld, SimLink } from "./sim-link.ts";
import type { WireTap } from "./wire-tap.ts";

export interface NetworkDelays {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
}

/** A process is `host#life`: cuts are between hosts, timers and links belong to processes. */
export function hostOf(owner: string): string {
  const end = owner.indexOf("#");
  return end < 0 ? owner : owner.slice(0, end);
}

export const clientPort = 9092;
export const peerPort = 9093;

interface Accepting {
  readonly owner: string;
  readonly accept: (link: Link) => LinkHandlers;
}

/**
 * Byte streams between the simulation's processes: each chunk arrives after a delay of its own, in order, perhaps split in two. A cut
 * between two hosts holds bytes back, as TCP does, and lets new links time out. A process that is killed resets its links. One whose
 * machine loses power falls silent, until its machine is back and answers with resets.
 */
export class SimNetwork implements LinkWorld {
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #trace: (line: string) => void;
  readonly #listeners = new Map<string, Accepting>();
  readonly #links = new Set<SimLink>();
  /** `from>to` */
  readonly #cuts = new Set<string>();
  readonly #hostsDown = new Set<string>();
  #delays: NetworkDelays = { delayMinMs: 0.1, delayMaxMs: 2 };
  #nextPort = 20_000;
  tap: WireTap | null = null;

  constructor(clock: SimClock, random: Random, trace: (line: string) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#trace = trace;
  }

  setDelays(delays: NetworkDelays): void {
    this.#delays = delays;
  }

  /** What `from` sends no longer reaches `to`. */
  cutOneWay(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  cut(a: string, b: string): void {
    this.cutOneWay(a, b);
    this.cutOneWay(b, a);
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(`${a}>${b}`);
    this.#cuts.delete(`${b}>${a}`);
    this.#pumpAll();
  }

  healAll(): void {
    this.#cuts.clear();
    this.#pumpAll();
  }

  /** Links between these two hosts break, and may be re-opened at once. */
  reset(a: string, b: string): void {
    for (const link of [...this.#links]) if (hostOf(link.owner) === a && hostOf(link.peerOwner) === b) link.destroy(new Error("reset"));
  }

  /** The process is gone: its ports are closed, its links are reset. */
  end(owner: string): void {
    this.#stopListening(owner);
    for (const link of [...this.#links]) if (link.owner === owner) link.destroy(new Error("process ended"));
  }

  /** The machine is gone without a message: its links stay as they are at the other end. */
  endSilently(owner: string): void {
    this.#stopListening(owner);
    this.#hostsDown.add(hostOf(owner));
    for (const link of [...this.#links]) if (link.owner === owner) link.vanish();
  }

  /** The machine is back, and knows nothing of its old links: peers that still send on them get a reset. */
  hostIsBack(host: string): void {
    if (!this.#hostsDown.delete(host)) return;
    this.#pumpAll();
  }

  transportFor(owner: string): Transport {
    return {
      connect: (address, handlers, options) => this.#connect(owner, address, handlers, options),
      listen: (address, accept) => this.#listen(owner, address, accept),
    };
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${hostOf(from)}>${hostOf(to)}`);
  }

  isDown(owner: string): boolean {
    return this.#hostsDown.has(hostOf(owner));
  }

  delayMs(): number {
    const { delayMinMs, delayMaxMs } = this.#delays;
    return delayMinMs + this.#random.next() * (delayMaxMs - delayMinMs);
  }

  /** Where a chunk is split in two on its way: TCP keeps no boundaries. */
  cutPoint(length: number): number {
    return length > 1 && this.#random.next() < 0.1 ? 1 + randomInt(this.#random, length - 1) : length;
  }

  schedule(owner: string, delayMs: number, callback: () => void): void {
    this.#clock.schedule(owner, delayMs, callback);
  }

  delivered(link: SimLink, bytes: Buffer): void {
    this.#trace(`${link.owner} => ${link.peerOwner} ${bytes.length} ${checksum(bytes)}`);
  }

  forget(link: SimLink): void {
    this.#links.delete(link);
    this.tap?.ends(link);
  }

  #connect(owner: string, address: Address, handlers: LinkHandlers, options: Parameters<Transport["connect"]>[2]): Promise<Link> {
    const { timeoutMs, signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    if (signal?.aborted) return Promise.reject(signal.reason);
    const key = formatAddress(address);
    const onAbort = () => settle(() => reject(signal?.reason));
    let settled = false;
    const settle = (how: () => void) => {
      if (settled) return;
      settled = true;
      signal?.removeEventListener("abort", onAbort);
      how();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const refuse = (why: string, Kind: new (message: string) => Error = Error) =>
      settle(() => reject(new Kind(`cannot connect to ${key}: ${why}`)));
    this.#clock.schedule(owner, timeoutMs, () => refuse(`no answer within ${timeoutMs} ms`));
    this.#clock.schedule(owner, this.delayMs(), () => {
      if (settled || this.isDown(address.host) || this.isCut(owner, address.host) || this.isCut(address.host, owner)) return;
      const accepting = this.#listeners.get(key);
      if (accepting === undefined) return refuse("connection refused", ConnectionRefused);
      settle(() => resolve(this.#join(owner, address, handlers, accepting)));
    });
    return promise;
  }

  async #listen(owner: string, address: Address, accept: (link: Link) => LinkHandlers): Promise<Listener> {
    const bound: Address = { host: address.host, port: address.port === 0 ? this.#nextPort++ : address.port };
    const key = formatAddress(bound);
    if (this.#listeners.has(key)) throw new Error(`cannot listen on ${key}: address already in use`);
    this.#listeners.set(key, { owner, accept });
    return {
      address: bound,
      close: async () => {
        if (this.#listeners.get(key)?.owner === owner) this.#listeners.delete(key);
      },
    };
  }

  #join(owner: string, address: Address, handlers: LinkHandlers, { owner: accepting, accept }: Accepting): Link {
    const near = new SimLink(this, owner, accepting, formatAddress(address));
    const far = new SimLink(this, accepting, owner, `${hostOf(owner)}:${this.#nextPort++}`);
    near.join(far);
    far.join(near);
    this.#links.add(near).add(far);
    far.tap = this.tap?.begins(far, accepting, address.port === clientPort ? "client" : "peer") ?? null;
    this.#trace(`link ${owner} -> ${accepting} ${address.port}`);
    near.handledBy(handlers);
    // the machine accepts the link; the process learns of it when it runs
    this.#clock.schedule(accepting, 0, () => far.handledBy(accept(far)));
    return near;
  }

  #stopListening(owner: string): void {
    for (const [address, { owner: of }] of this.#listeners) if (of === owner) this.#listeners.delete(address);
  }

  #pumpAll(): void {
    for (const link of [...this.#links]) link.pump();
  }
}

/** FNV-1a over the bytes: enough to tell two traces apart. */
function checksum(bytes: Buffer): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}
