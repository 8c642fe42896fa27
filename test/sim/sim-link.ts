import type { Link, LinkHandlers } from "../../protocol/base/transport.ts";
import { lend } from "../support/lend.ts";

/** What a link needs of its network. */
export interface LinkWorld {
  isCut(from: string, to: string): boolean;
  /** The machine of this process is off. */
  isDown(owner: string): boolean;
  delayMs(): number;
  cutPoint(length: number): number;
  schedule(owner: string, delayMs: number, callback: () => void): void;
  delivered(link: SimLink, bytes: Buffer): void;
  forget(link: SimLink): void;
}

const highWaterMarkBytes = 256 * 1024;

interface Written {
  readonly chunks: readonly Uint8Array[];
  readonly sizeInBytes: number;
  readonly onDone: (() => void) | undefined;
  /** What the operating system has of it: from then on the sender may use its memory again. */
  taken: Buffer | null;
}

/** One end of a link: writes travel to the other end; `null` in the queue is the end of the stream. */
export class SimLink implements Link {
  readonly owner: string;
  readonly peerOwner: string;
  readonly remote: string;
  readonly #network: LinkWorld;
  #peer: SimLink | null = null;
  #handlers: LinkHandlers | null = null;
  #outbound: (Written | null)[] = [];
  #travelling = false;
  #paused = false;
  #arrived: (Buffer | null)[] = [];
  #closed = false;
  #ended = false;
  queuedBytes = 0;
  /** Reads along. At the end of a listening broker: what it sends, and what reaches it. */
  tap: { heard(bytes: Buffer): void; said(bytes: Buffer): void } | null = null;

  constructor(network: LinkWorld, owner: string, peerOwner: string, remote: string) {
    this.#network = network;
    this.owner = owner;
    this.peerOwner = peerOwner;
    this.remote = remote;
  }

  join(peer: SimLink): void {
    this.#peer = peer;
  }

  handledBy(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    if (this.#closed) this.#network.schedule(this.owner, 0, () => handlers.onClose(new Error("connection reset")));
    else if (this.#arrived.length > 0) this.#network.schedule(this.owner, 0, () => this.#deliver());
  }

  write(chunks: readonly Uint8Array[], onDone?: () => void): boolean {
    const sizeInBytes = chunks.reduce((sum, { length }) => sum + length, 0);
    if (this.#closed || this.#ended || sizeInBytes === 0) {
      onDone?.();
      return true;
    }
    this.tap?.said(Buffer.concat(chunks));
    this.#outbound.push({ chunks, sizeInBytes, onDone, taken: null });
    this.queuedBytes += sizeInBytes;
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
    // a reset that meets a cut is lost; the peer then learns of it from silence, or when it sends
    if (peer !== null && !this.#network.isCut(this.owner, this.peerOwner)) {
      this.#network.schedule(peer.owner, this.#network.delayMs(), () => peer.#close(new Error("connection reset")));
    }
  }

  vanish(): void {
    this.#close(new Error("the machine is off"));
  }

  /** Sends the next chunk on its way, one at a time, to keep the order. */
  pump(): void {
    const network = this.#network;
    const peer = this.#peer as SimLink;
    if (this.#closed || this.#outbound.length === 0) return;
    if (network.isCut(this.owner, this.peerOwner) || network.isDown(this.peerOwner)) return;
    if (peer.#closed) return network.schedule(this.owner, network.delayMs(), () => this.#close(new Error("connection reset")));
    if (this.#travelling) return;
    const first = this.#outbound[0] as Written | null;
    this.#travelling = true;
    network.schedule(peer.owner, network.delayMs(), () => {
      this.#travelling = false;
      if (network.isCut(this.owner, this.peerOwner)) return; // it waits for the cut to heal
      const next = this.#take(first);
      if (this.#closed) return peer.#lateWord(this, next);
      if (peer.#closed) return this.#close(new Error("connection reset")); // its reset was lost in a cut; bytes sent to it now bring one
      this.#arriveAt(peer, next);
      this.pump();
    });
  }

  /** As late as a full socket buffer would: whatever of it was used again meanwhile is missing. */
  #take(next: Written | null): Buffer | null {
    if (next === null || next.taken !== null) return next?.taken ?? null;
    const left = next.chunks.reduce((sum, { length }) => sum + length, 0);
    if (left < next.sizeInBytes) throw new Error("what was written to a link was used again before it was sent");
    next.taken = Buffer.concat(next.chunks);
    if (next.onDone !== undefined) this.#network.schedule(this.owner, 0, next.onDone);
    return next.taken;
  }

  /** What was on the wire arrives, even from a process that is gone by now. */
  #lateWord(from: SimLink, bytes: Buffer | null): void {
    if (this.#closed || bytes === null) return;
    this.tap?.heard(bytes);
    this.#arrived.push(bytes);
    this.#network.delivered(from, bytes);
    this.#deliver();
  }

  #arriveAt(peer: SimLink, next: Buffer | null): void {
    if (next === null) {
      this.#outbound.shift();
      peer.#arrived.push(null);
    } else {
      const cut = this.#network.cutPoint(next.length);
      if (cut < next.length) (this.#outbound[0] as Written).taken = next.subarray(cut);
      else this.#outbound.shift();
      const chunk = next.subarray(0, cut);
      peer.tap?.heard(chunk);
      peer.#arrived.push(chunk);
      this.#network.delivered(this, chunk);
      const wasFull = this.queuedBytes >= highWaterMarkBytes;
      this.queuedBytes -= cut;
      if (wasFull && this.queuedBytes < highWaterMarkBytes)
        this.#network.schedule(this.owner, 0, () => this.#closed || this.#handlers?.onDrain?.());
    }
    peer.#deliver();
  }

  #deliver(): void {
    while (!this.#paused && !this.#closed && this.#handlers !== null && this.#arrived.length > 0) {
      const next = this.#arrived.shift() as Buffer | null;
      if (next === null) return this.#close();
      lend(next, this.#handlers);
    }
  }

  #close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#network.forget(this);
    const [first = null, ...others] = this.#outbound;
    if (this.#travelling)
      this.#take(first); // it may still arrive
    else others.unshift(first);
    for (const { taken, onDone } of others.filter((one) => one !== null))
      if (taken === null && onDone !== undefined) this.#network.schedule(this.owner, 0, onDone);
    this.#outbound = [];
    this.#arrived = [];
    this.#network.schedule(this.owner, 0, () => this.#handlers?.onClose(error));
    const peer = this.#peer;
    if (error === undefined && peer !== null && !peer.#closed)
      this.#network.schedule(peer.owner, this.#network.delayMs(), () => peer.#close());
  }
}
