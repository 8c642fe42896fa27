import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { type Address, formatAddress, type Link, type LinkHandlers, type Transport } from "../../protocol/base/transport.ts";
import type { PeerKind, PeerRequest } from "../../protocol/peer/messages.ts";
import { checkedResponse } from "../../protocol/peer/shape-check.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { type PeerAnswer, type PeerCallOptions, PeerUnavailable } from "../runtime/peer-port.ts";
import { decodePeerFrame, encodePeerFrame, type PeerFrame } from "./peer-frame.ts";
import { checkedHelloAnswer, type Hello, helloKind, helloMaxBytes, peerProtocolVersion } from "./peer-hello.ts";

export interface PeerClientLimits {
  readonly frameMaxBytes: number;
  /** Calls of one link that wait for an answer; further ones are rejected at once. */
  readonly callsMax: number;
  /** Request bytes that the other end does not take; further calls are rejected at once. */
  readonly unsentMaxBytes: number;
  /** To connect, and again to be introduced. */
  readonly connectTimeoutMs: number;
}

export interface PeerClientParts {
  readonly transport: Transport;
  readonly clusterId: string;
  readonly brokerId: number;
  readonly limits: PeerClientLimits;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Call {
  readonly kind: PeerKind;
  readonly startedMs: number;
  readonly onSent: PeerCallOptions["onSent"];
  readonly answer: (frame: PeerFrame) => void;
  readonly reject: (error: unknown) => void;
}

/** The introduction's id; calls count up from there. */
const helloId = 0;

/** The asking end of one link between brokers. Lives from the first call to the first trouble; then it is replaced. */
export class PeerLink implements LinkHandlers {
  readonly #to: Address;
  readonly #parts: PeerClientParts;
  readonly #onEnded: () => void;
  readonly #splitter = new FrameSplitter({ frameMaxBytes: helloMaxBytes });
  readonly #calls = new Map<number, Call>();
  readonly #connecting = new AbortController();
  /** Frames of calls made before the link was open. */
  #unsent = new Map<number, Buffer[]>();
  #unsentBytes = 0;
  #link: Link | null = null;
  #helloTimer: Timer | null = null;
  #state: "connecting" | "open" | "ended" = "connecting";
  #nextId = helloId + 1;
  #heardMs = Number.NEGATIVE_INFINITY;

  constructor(to: Address, parts: PeerClientParts, onEnded: () => void) {
    this.#to = to;
    this.#parts = parts;
    this.#onEnded = onEnded;
  }

  /** Once, before the first call. */
  open(): void {
    void this.#connect();
  }

  call<K extends PeerKind>(kind: K, body: PeerRequest<K>, options: PeerCallOptions): Promise<PeerAnswer<K>> {
    const { callsMax, unsentMaxBytes } = this.#parts.limits;
    if (this.#calls.size >= callsMax) return Promise.reject(this.#unavailable(`${callsMax} calls wait for an answer already`));
    if (this.#unsentBytes + (this.#link?.queuedBytes ?? 0) >= unsentMaxBytes)
      return Promise.reject(this.#unavailable("it does not take what we send"));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const settle = this.#register(id, kind, options, reject, ({ body: answer, payload }) => {
        resolve({ body: checkedResponse(kind, answer), payload });
      });
      try {
        this.#send(id, encodePeerFrame(id, kind, body, options.payload));
      } catch (error) {
        settle();
        reject(error);
      }
    });
  }

  close(reason: string): void {
    this.#end(reason);
  }

  onData(chunk: Buffer): void {
    this.#heardMs = this.#parts.clock.monotonicMs();
    try {
      this.#splitter.push(chunk, (frame) => this.#arrived(decodePeerFrame(frame)));
    } catch (error) {
      this.#end(`a bad message from it: ${messageOf(error)}`, "warn");
    }
  }

  onClose(error?: Error): void {
    this.#end(error === undefined ? "it closed the link" : `the link broke: ${error.message}`);
  }

  /** Returns what ends the call's bookkeeping; called by whichever comes first: the answer, the time, the signal, the link's end. */
  #register(
    id: number,
    kind: PeerKind,
    { timeoutMs, signal, onSent }: PeerCallOptions,
    reject: (error: unknown) => void,
    take: (frame: PeerFrame) => void,
  ): () => void {
    const { clock } = this.#parts;
    const startedMs = clock.monotonicMs();
    const settle = () => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      this.#calls.delete(id);
      this.#forgetUnsent(id);
    };
    const onAbort = () => {
      settle();
      reject(signal?.reason);
    };
    const timer = clock.schedule(timeoutMs, () => {
      settle();
      reject(this.#unavailable(`no answer to ${kind} within ${timeoutMs} ms`));
      // not a byte since we asked: the link may be dead without knowing it, and the next call should not find out the same way
      if (this.#state === "open" && this.#heardMs < startedMs) this.#end(`nothing heard for ${timeoutMs} ms`);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#calls.set(id, {
      kind,
      startedMs,
      onSent,
      answer: (frame) => {
        take(frame);
        settle();
      },
      reject: (error) => {
        settle();
        reject(error);
      },
    });
    return settle;
  }

  #send(id: number, chunks: Buffer[]): void {
    if (this.#state === "open") return this.#write(id, chunks);
    this.#unsent.set(id, chunks);
    this.#unsentBytes += sizeOf(chunks);
  }

  #write(id: number, chunks: Buffer[]): void {
    this.#calls.get(id)?.onSent?.();
    this.#link?.write(chunks);
  }

  #forgetUnsent(id: number): void {
    const chunks = this.#unsent.get(id);
    if (chunks === undefined) return;
    this.#unsent.delete(id);
    this.#unsentBytes -= sizeOf(chunks);
  }

  async #connect(): Promise<void> {
    const { transport, clock, clusterId, brokerId, limits } = this.#parts;
    try {
      const link = await transport.connect(this.#to, this, { timeoutMs: limits.connectTimeoutMs, signal: this.#connecting.signal });
      if (this.#state === "ended") return link.destroy();
      this.#link = link;
      const hello: Hello = { version: peerProtocolVersion, clusterId, brokerId };
      this.#helloTimer = clock.schedule(limits.connectTimeoutMs, () => this.#end(`no introduction within ${limits.connectTimeoutMs} ms`));
      link.write(encodePeerFrame(helloId, helloKind, hello));
    } catch (error) {
      this.#end(messageOf(error));
    }
  }

  #arrived(frame: PeerFrame): void {
    if (this.#state === "connecting") return this.#welcomed(frame);
    // an answer that came too late, or to a call that was given up
    const call = this.#calls.get(frame.id);
    if (call === undefined) return;
    if (call.kind !== frame.kind) throw new MalformedFrame(`an answer of kind ${frame.kind.slice(0, 100)} to ${call.kind}`);
    call.answer(frame);
  }

  #welcomed({ id, kind, body }: PeerFrame): void {
    if (id !== helloId || kind !== helloKind) throw new MalformedFrame("the first frame is not an introduction");
    const { refusal } = checkedHelloAnswer(body);
    this.#helloTimer?.cancel();
    if (refusal !== null) return this.#end(`it refused us: ${refusal}`, "warn");
    this.#state = "open";
    this.#splitter.frameMaxBytes = this.#parts.limits.frameMaxBytes;
    const waiting = this.#unsent;
    this.#unsent = new Map();
    this.#unsentBytes = 0;
    for (const [id, chunks] of waiting) this.#write(id, chunks);
  }

  /** `level`: more than a broker that is away, which is told of by whoever called. */
  #end(reason: string, level: "debug" | "warn" = "debug"): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#helloTimer?.cancel();
    this.#parts.log[level]({ peer: formatAddress(this.#to), reason }, "link to a broker ended");
    this.#connecting.abort();
    this.#link?.destroy();
    // first the place for the next link: those rejected may call again at once
    this.#onEnded();
    for (const call of [...this.#calls.values()]) call.reject(this.#unavailable(reason));
  }

  #unavailable(reason: string): PeerUnavailable {
    return new PeerUnavailable(`broker at ${formatAddress(this.#to)}: ${reason}`);
  }
}

function sizeOf(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
