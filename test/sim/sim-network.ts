import { type Random, randomInt } from "../../protocol/base/random.ts";
import { type Address, formatAddress, type Link, type LinkHandlers, type Listener, type Transport } from "../../protocol/base/transport.ts";
import type { SimClock } from "./sim-clock.ts";

export interface NetworkDelays {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
}

interface Accepting {
  readonly owner: string;
  readonly accept: (link: Link) => LinkHandlers;
}

/**
 * Byte streams between the simulation's processes: each chunk arrives after a delay of its own, in order, perhaps cut in two. A cut between two hosts holds bytes back, as
 * TCP does, and refuses new links; a process that ends resets its links.
 */
export class SimNetwork {
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #trace: (line: string) => void;
  readonly #listeners = new Map<string, Accepting>();
  readonly #links = new Set<SimLink>();
  readonly #cuts = new Set<string>();
  #delays: NetworkDelays = { delayMinMs: 0.1, delayMaxMs: 2 };
  #nextPort = 20_000;

  constructor(clock: SimClock, random: Random, trace: (line: string) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#trace = trace;
  }

  setDelays(delays: NetworkDelays): void {
    this.#delays = delays;
  }

  /** Between two owners, both ways. */
  cut(a: string, b: string): void {
    this.#cuts.add(pairKey(a, b));
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(pairKey(a, b));
    for (const link of [...this.#links]) if (pairKey(link.owner, link.peerOwner) === pairKey(a, b)) link.pump();
  }

  healAll(): void {
    this.#cuts.clear();
    for (const link of [...this.#links]) link.pump();
  }

  /** The process is gone: nobody listens, its links are reset. */
  end(owner: string): void {
    for (const [address, { owner: of }] of this.#listeners) if (of === owner) this.#listeners.delete(address);
    for (const link of [...this.#links]) if (link.owner === owner) link.destroy(new Error("process ended"));
  }

  transportFor(owner: string): Transport {
    return {
      connect: (address, handlers, { timeoutMs, signal }) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted) return reject(signal.reason);
          const refuse = (why: string) => reject(new Error(`cannot connect to ${formatAddress(address)}: ${why}`));
          const accepting = this.#listeners.get(formatAddress(address));
          if (accepting !== undefined && this.isCut(owner, accepting.owner)) {
            this.#clock.schedule(owner, timeoutMs, () => refuse(`no answer within ${timeoutMs} ms`));
            return;
          }
          this.#clock.schedule(owner, this.delayMs(), () => {
            const now = this.#listeners.get(formatAddress(address));
            if (now === undefined) return refuse("connection refused");
            if (signal?.aborted) return reject(signal.reason);
            resolve(this.#join(owner, address, handlers, now));
          });
        }),
      listen: async (address, accept): Promise<Listener> => {
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
      },
    };
  }

  isCut(a: string, b: string): boolean {
    return this.#cuts.has(pairKey(a, b));
  }

  delayMs(): number {
    const { delayMinMs, delayMaxMs } = this.#delays;
    return delayMinMs + this.#random.next() * (delayMaxMs - delayMinMs);
  }

  /** Where a chunk is cut in two on its way: TCP keeps no boundaries. */
  cutPoint(length: number): number {
    return length > 1 && this.#random.next() < 0.1 ? 1 + randomInt(this.#random, length - 1) : length;
  }

  schedule(owner: string, delayMs: number, callback: () => void): void {
    this.#clock.schedule(owner, delayMs, callback);
  }

  get nowMs(): number {
    return this.#clock.nowMs;
  }

  forget(link: SimLink): void {
    this.#links.delete(link);
  }

  #join(owner: string, address: Address, handlers: LinkHandlers, accepting: Accepting): Link {
    const near = new SimLink(this, owner, accepting.owner, formatAddress(address));
    const far = new SimLink(this, accepting.owner, owner, `${owner}:${this.#nextPort++}`);
    near.join(far, handlers);
    far.join(near, accepting.accept(far));
    this.#links.add(near).add(far);
    this.#trace(`link ${owner} -> ${accepting.owner}`);
    return near;
  }
}

function pairKey(a: string, b: string): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`;
}

const highWaterMarkBytes = 256 * 1024;

/** One end of a link: writes travel to the other end; `null` in the queue is the end of the stream. */
class SimLink implements Link {
  readonly owner: string;
  readonly peerOwner: string;
  readonly remote: string;
  readonly #network: SimNetwork;
  #peer: SimLink | null = null;
  #handlers: LinkHandlers | null = null;
  #outbound: (Buffer | null)[] = [];
  #travelling = false;
  #paused = false;
  #arrived: Buffer[] = [];
  #closed = false;
  #ended = false;
  queuedBytes = 0;

  constructor(network: SimNetwork, owner: string, peerOwner: string, remote: string) {
    this.#network = network;
    this.owner = owner;
    this.peerOwner = peerOwner;
    this.remote = remote;
  }

  join(peer: SimLink, handlers: LinkHandlers): void {
    this.#peer = peer;
    this.#handlers = handlers;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#closed || this.#ended) return true;
    // the bytes are copied: whoever changes them after writing would be caught by a real socket only sometimes
    const bytes = Buffer.concat(chunks);
    if (bytes.length === 0) return true;
    this.#outbound.push(bytes);
    this.queuedBytes += bytes.length;
    this.pump();
    return this.queuedBytes < highWaterMarkBytes;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#network.schedule(this.owner, 0, () => this.#deliver());
  }

  end(): void {
    if (this.#closed || this.#ended) return;
    this.#ended = true;
    this.#outbound.push(null);
    this.pump();
  }

  destroy(reason?: Error): void {
    if (this.#closed) return;
    this.#close(reason);
    const peer = this.#peer;
    // a reset crosses a cut only once it is healed; the peer then learns from silence
    if (peer !== null && !this.#network.isCut(this.owner, this.peerOwner)) {
      this.#network.schedule(peer.owner, this.#network.delayMs(), () => peer.#close(new Error("connection reset")));
    }
  }

  /** Sends the next chunk on its way, one at a time, so that order is kept. */
  pump(): void {
    if (this.#travelling || this.#outbound.length === 0 || this.#network.isCut(this.owner, this.peerOwner)) return;
    const next = this.#outbound[0] as Buffer | null;
    this.#travelling = true;
    const peer = this.#peer as SimLink;
    this.#network.schedule(peer.owner, this.#network.delayMs(), () => {
      this.#travelling = false;
      if (this.#closed || this.#network.isCut(this.owner, this.peerOwner)) return; // it waits for the cut to heal
      if (peer.#closed) return this.#close(new Error("connection reset")); // its reset was lost in a cut; bytes sent to it now bring one
      if (next === null) {
        this.#outbound.shift();
        return peer.#close();
      }
      const cut = this.#network.cutPoint(next.length);
      if (cut < next.length) this.#outbound[0] = next.subarray(cut);
      else this.#outbound.shift();
      peer.#arrived.push(next.subarray(0, cut));
      const wasFull = this.queuedBytes >= highWaterMarkBytes;
      this.queuedBytes -= cut;
      peer.#deliver();
      if (wasFull && this.queuedBytes < highWaterMarkBytes)
        this.#network.schedule(this.owner, 0, () => this.#closed || this.#handlers?.onDrain?.());
      this.pump();
    });
  }

  #deliver(): void {
    while (!this.#paused && !this.#closed && this.#arrived.length > 0) this.#handlers?.onData(Buffer.from(this.#arrived.shift() as Buffer));
  }

  #close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#network.forget(this);
    this.#outbound = [];
    this.#arrived = [];
    this.#network.schedule(this.owner, 0, () => this.#handlers?.onClose(error));
    const peer = this.#peer;
    if (error === undefined && peer !== null && !peer.#closed)
      this.#network.schedule(peer.owner, this.#network.delayMs(), () => peer.#close());
  }
}
