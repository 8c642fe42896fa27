import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import {
  type Address,
  ConnectionRefused,
  formatAddress,
  type Link,
  type LinkHandlers,
  type Transport,
} from "../../protocol/base/transport.ts";
import type { PeerKind, PeerRequest } from "../../protocol/peer/messages.ts";
import { checkedResponse } from "../../protocol/peer/shape-check.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import type { Slab, SlabPool } from "../../protocol/wire/slab-pool.ts";
import { type PeerAnswer, type PeerCallOptions, type PeerSecret, PeerUnavailable, type Unavailability } from "../runtime/peer-port.ts";
import { decodePeerFrame, encodePeerFrame, type PeerFrame } from "./peer-frame.ts";
import {
  checkedAnyHelloAnswer,
  checkedHelloAnswer,
  checkedProofAnswer,
  codeOf,
  type Hello,
  helloKind,
  helloMaxBytes,
  type Introductions,
  isCodeOf,
  newNonce,
  type Proof,
  peerProtocolVersion,
  proofKind,
} from "./peer-hello.ts";

export interface PeerClientLimits {
  readonly frameMaxBytes: number;
  /** Calls of one link that wait for an answer; further ones are rejected at once. */
  readonly callsMax: number;
  /** Request bytes that the other end has not read; further calls are rejected at once. */
  readonly unsentMaxBytes: number;
  /** To connect, and again to be welcome. */
  readonly connectTimeoutMs: number;
}

export interface PeerClientParts {
  readonly transport: Transport;
  readonly clusterId: string;
  readonly brokerId: number;
  readonly secret: PeerSecret;
  readonly limits: PeerClientLimits;
  /** Large answers arrive in them. */
  readonly slabs: SlabPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Call {
  readonly kind: PeerKind;
  readonly startedMs: number;
  readonly onSent: PeerCallOptions["onSent"];
  readonly answer: (frame: PeerFrame, slab: Slab | null) => void;
  readonly reject: (error: unknown) => void;
}

type LinkState =
  | { readonly kind: "connecting" }
  /** We introduced ourselves. */
  | { readonly kind: "introduced"; readonly hello: Hello }
  /** We sent our proof. */
  | { readonly kind: "proved"; readonly introductions: Introductions }
  | { readonly kind: "open" }
  | { readonly kind: "ended" };

/** The introduction's id; calls count up from there. */
const helloId = 0;

/** The asking end of one link between brokers. Lives from the first call to the first failure; then it is replaced. */
export class PeerLink implements LinkHandlers {
  readonly #to: Address;
  readonly #parts: PeerClientParts;
  readonly #onEnded: () => void;
  readonly #splitter: FrameSplitter;
  readonly #calls = new Map<number, Call>();
  readonly #connecting = new AbortController();
  /** Frames of calls made before the link was open. */
  #unsent = new Map<number, Buffer[]>();
  #unsentBytes = 0;
  #link: Link | null = null;
  #helloTimer: Timer | null = null;
  #state: LinkState = { kind: "connecting" };
  #nextId = helloId + 1;
  #heardMs = Number.NEGATIVE_INFINITY;

  constructor(to: Address, parts: PeerClientParts, onEnded: () => void) {
    this.#to = to;
    this.#parts = parts;
    this.#splitter = new FrameSplitter({ frameMaxBytes: helloMaxBytes, slabs: parts.slabs });
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
      const settle = this.#register(id, kind, options, reject, ({ body: answer, payload }, slab) => {
        resolve({ body: checkedResponse(kind, answer), payload, release: slab?.release });
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
      this.#splitter.push(chunk, (frame, slab) => this.#arrived(decodePeerFrame(frame), slab));
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      this.#end(`a bad message from it: ${messageOf(error)}`, { level: "warn" });
    }
  }

  onClose(error?: Error): void {
    this.#end(error === undefined ? "it closed the link" : `the link broke: ${error.message}`, { why: "broken" });
  }

  /** Returns what ends the call's bookkeeping; called by whichever comes first: the answer, the timeout, the signal, the link's end. */
  #register(
    id: number,
    kind: PeerKind,
    { timeoutMs, signal, onSent }: PeerCallOptions,
    reject: (error: unknown) => void,
    take: Call["answer"],
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
      // not a byte since the request: the link may be dead without having noticed, and the next call should not find out the same way
      if (this.#heardMs < startedMs) this.#end(`nothing heard for ${timeoutMs} ms`);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#calls.set(id, {
      kind,
      startedMs,
      onSent,
      answer: (frame, slab) => {
        take(frame, slab);
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
    if (this.#state.kind === "open") return this.#write(id, chunks);
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
    invariant(this.#unsent.size > 0 || this.#unsentBytes === 0, "what waits to be sent is counted", () => ({ bytes: this.#unsentBytes }));
  }

  async #connect(): Promise<void> {
    const { transport, clock, random, clusterId, brokerId, limits } = this.#parts;
    try {
      const link = await transport.connect(this.#to, this, { timeoutMs: limits.connectTimeoutMs, signal: this.#connecting.signal });
      if (this.#state.kind === "ended") return link.destroy();
      this.#link = link;
      const hello: Hello = { version: peerProtocolVersion, clusterId, brokerId, nonce: newNonce(random) };
      this.#state = { kind: "introduced", hello };
      this.#helloTimer = clock.schedule(limits.connectTimeoutMs, () => this.#end(`no introduction within ${limits.connectTimeoutMs} ms`));
      link.write(encodePeerFrame(helloId, helloKind, hello));
    } catch (error) {
      this.#end(messageOf(error), { why: error instanceof ConnectionRefused ? "refused" : "unanswered" });
    }
  }

  #arrived(frame: PeerFrame, slab: Slab | null): void {
    switch (this.#state.kind) {
      case "introduced":
        return this.#challenged(frame, this.#state.hello);
      case "proved":
        return this.#welcomed(frame, this.#state.introductions);
      case "open":
        return this.#answered(frame, slab);
      case "connecting":
        throw new MalformedFrame("a frame that nothing asked for");
      case "ended":
        return;
    }
  }

  #challenged({ id, kind, body }: PeerFrame, hello: Hello): void {
    if (id !== helloId || kind !== helloKind) throw new MalformedFrame("the first frame is not an introduction");
    const { refusal } = checkedAnyHelloAnswer(body);
    if (refusal !== null) return this.#end(`it refused us: ${refusal}`, { level: "warn" });
    const introductions = { clusterId: hello.clusterId, asking: hello, answering: checkedHelloAnswer(body) };
    const proof: Proof = { code: codeOf(this.#parts.secret.value, "asking", introductions) };
    this.#state = { kind: "proved", introductions };
    this.#link?.write(encodePeerFrame(helloId, proofKind, proof));
  }

  #welcomed({ id, kind, body }: PeerFrame, introductions: Introductions): void {
    if (id !== helloId || kind !== proofKind) throw new MalformedFrame("the second frame is not a proof");
    const { secret } = this.#parts;
    const { refusal, code } = checkedProofAnswer(body);
    if (refusal === null && isCodeOf(code, secret.value, "answering", introductions)) return this.#open();
    // perhaps the secret has changed, and we have the old one: read it again for the next link
    void secret.reread();
    this.#end(refusal === null ? "it did not prove that it knows the secret of this cluster" : `it refused us: ${refusal}`, {
      level: "warn",
    });
  }

  #open(): void {
    invariant(this.#state.kind === "proved", "a link opens once both ends have proved themselves", () => ({ kind: this.#state.kind }));
    this.#helloTimer?.cancel();
    this.#state = { kind: "open" };
    this.#splitter.frameMaxBytes = this.#parts.limits.frameMaxBytes;
    const waiting = this.#unsent;
    this.#unsent = new Map();
    this.#unsentBytes = 0;
    for (const [id, chunks] of waiting) this.#write(id, chunks);
  }

  #answered(frame: PeerFrame, slab: Slab | null): void {
    // an answer that came too late, or to a call that was abandoned
    const call = this.#calls.get(frame.id);
    if (call === undefined) return;
    if (call.kind !== frame.kind) throw new MalformedFrame(`an answer of kind ${frame.kind.slice(0, 100)} to ${call.kind}`);
    call.answer(frame, slab);
  }

  /** `level`: for more than an unreachable broker, which the caller reports. */
  #end(
    reason: string,
    { level = "debug", why = "unanswered" }: { readonly level?: "debug" | "warn"; readonly why?: Unavailability } = {},
  ): void {
    if (this.#state.kind === "ended") return;
    this.#state = { kind: "ended" };
    this.#helloTimer?.cancel();
    this.#parts.log[level]({ peer: formatAddress(this.#to), reason }, "link to a broker ended");
    this.#connecting.abort();
    this.#link?.destroy();
    // first make room for the next link: rejected callers may call again at once
    this.#onEnded();
    for (const call of [...this.#calls.values()]) call.reject(this.#unavailable(reason, why));
  }

  #unavailable(reason: string, why?: Unavailability): PeerUnavailable {
    return new PeerUnavailable(`broker at ${formatAddress(this.#to)}: ${reason}`, why);
  }
}

function sizeOf(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
