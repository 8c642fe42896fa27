import {
  type Address,
  ConnectionRefused,
  formatAddress,
  type Link,
  type LinkHandlers,
  type Listener,
  type Transport,
} from "../../../protocol/base/transport.ts";
import { lend } from "../../support/lend.ts";

const highWaterMarkBytes = 64 * 1024;
const noHandlers: LinkHandlers = { onData: () => {}, onClose: () => {} };

/** One end of a link in memory. Bytes wait at the sender while the receiver is paused or, in the test's hand, stalled. */
export class MemoryLink implements Link {
  readonly remote: string;
  handlers: LinkHandlers = noHandlers;
  other!: MemoryLink;
  isPaused = false;
  /** The test's own brake: nothing written here arrives. */
  isStalled = false;
  isClosed = false;
  readonly #queue: { readonly chunks: readonly Uint8Array[]; readonly sizeInBytes: number; readonly onDone: (() => void) | undefined }[] =
    [];
  #queuedBytes = 0;
  #isEnding = false;
  #wasFull = false;
  #pumpScheduled = false;

  constructor(remote: string) {
    this.remote = remote;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  write(chunks: readonly Uint8Array[], onDone?: () => void): boolean {
    if (this.isClosed || this.#isEnding) {
      onDone?.();
      return true;
    }
    const sizeInBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#queue.push({ chunks, sizeInBytes, onDone });
    this.#queuedBytes += sizeInBytes;
    this.pump();
    if (this.#queuedBytes > highWaterMarkBytes) this.#wasFull = true;
    return !this.#wasFull;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.other.pump();
  }

  end(): void {
    this.#isEnding = true;
    this.pump();
  }

  destroy(reason?: Error): void {
    if (this.isClosed) return;
    this.#close(reason);
    if (!this.other.isClosed) this.other.#close();
  }

  #close(reason?: Error): void {
    this.isClosed = true;
    queueMicrotask(() => this.handlers.onClose(reason));
    queueMicrotask(() => {
      for (const { onDone } of this.#queue.splice(0)) onDone?.();
    });
  }

  pump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    while (!this.isStalled && !this.other.isPaused && !this.isClosed) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#queuedBytes -= next.sizeInBytes;
      const bytes = Buffer.concat(next.chunks);
      next.onDone?.();
      lend(bytes, this.other.handlers);
    }
    if (this.isClosed || this.#queue.length > 0) return;
    if (this.#isEnding) this.destroy();
    else if (this.#wasFull) {
      this.#wasFull = false;
      this.handlers.onDrain?.();
    }
  }
}

/** Links within the test. */
export class MemoryTransport implements Transport {
  readonly #listeners = new Map<number, (link: Link) => LinkHandlers>();
  /** The connecting ends, in the order of connecting. */
  readonly links: MemoryLink[] = [];
  /** Where the next links seem to come from. */
  clientHost = "10.0.0.1";
  #nextPort = 50_000;

  async connect(address: Address, handlers: LinkHandlers): Promise<MemoryLink> {
    await Promise.resolve();
    const accept = this.#listeners.get(address.port);
    if (accept === undefined) throw new ConnectionRefused(`cannot connect to ${formatAddress(address)}: refused`);
    const near = new MemoryLink(formatAddress(address));
    const far = new MemoryLink(`${this.clientHost}:${this.#nextPort++}`);
    near.other = far;
    far.other = near;
    near.handlers = handlers;
    far.handlers = accept(far);
    this.links.push(near);
    return near;
  }

  async listen(address: Address, accept: (link: Link) => LinkHandlers): Promise<Listener> {
    const port = address.port === 0 ? this.#nextPort++ : address.port;
    if (this.#listeners.has(port)) throw new Error(`cannot listen on ${formatAddress(address)}: address in use`);
    this.#listeners.set(port, accept);
    return {
      address: { host: address.host, port },
      close: async () => {
        this.#listeners.delete(port);
      },
    };
  }
}
