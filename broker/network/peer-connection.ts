import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { Link, LinkHandlers } from "../../protocol/base/transport.ts";
import type { PeerKind } from "../../protocol/peer/messages.ts";
import { checkedRequest, isPeerKind, ShapeMismatch } from "../../protocol/peer/shape-check.ts";
import { speakerOf } from "../../protocol/peer/speaker.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import type { PeerHandlers, PeerSecret } from "../runtime/peer-port.ts";
import { decodePeerFrame, encodePeerFrame, type PeerFrame } from "./peer-frame.ts";
import {
  checkedAnyHello,
  checkedHello,
  checkedProof,
  codeOf,
  type HelloAnswer,
  helloKind,
  helloMaxBytes,
  type Introductions,
  isCodeOf,
  newNonce,
  type ProofAnswer,
  peerProtocolVersion,
  proofKind,
  refusalOf,
} from "./peer-hello.ts";

export interface PeerServerLimits {
  readonly frameMaxBytes: number;
  /** Requests of one link in flight; beyond, reading pauses. */
  readonly requestsInFlightMax: number;
  /** Answer bytes that the other end has not read; beyond, reading pauses. */
  readonly unsentMaxBytes: number;
  /** A link that has not introduced itself by then is closed. */
  readonly helloTimeoutMs: number;
  /** Links open at a time: each broker has a few to each other. */
  readonly linksMax: number;
}

export interface PeerServerParts {
  readonly clusterId: string;
  readonly brokerId: BrokerId;
  readonly secret: PeerSecret;
  readonly handlers: PeerHandlers;
  readonly limits: PeerServerLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** A bug was found: the process is to end. */
  readonly onFatal: (error: InvariantViolation) => void;
}

type ConnectionState =
  | { readonly kind: "unknown" }
  /** It introduced itself, and was asked to prove itself. */
  | { readonly kind: "challenged"; readonly introductions: Introductions }
  /** Its proof is being checked against what the coordinator has now. */
  | { readonly kind: "judged" }
  | { readonly kind: "welcome"; readonly brokerId: BrokerId }
  | { readonly kind: "closed" };

/** The answering end of one link between brokers. Nothing is served before the other end has proved that it is a broker of this cluster. */
export class PeerConnection implements LinkHandlers {
  readonly #link: Link;
  readonly #parts: PeerServerParts;
  readonly #onClosed: () => void;
  readonly #splitter = new FrameSplitter({ frameMaxBytes: helloMaxBytes });
  readonly #helloTimer: Timer;
  #state: ConnectionState = { kind: "unknown" };
  #underWay = 0;
  #paused = false;
  /** The link has reported that its buffer is full, and will report when it has drained. */
  #drainAwaited = false;

  constructor(link: Link, parts: PeerServerParts, onClosed: () => void) {
    this.#link = link;
    this.#parts = parts;
    this.#onClosed = onClosed;
    this.#helloTimer = parts.clock.schedule(parts.limits.helloTimeoutMs, () =>
      this.#fail(new MalformedFrame(`no introduction within ${parts.limits.helloTimeoutMs} ms`)),
    );
  }

  onData(chunk: Buffer): void {
    if (this.#state.kind === "closed") return;
    try {
      this.#splitter.push(chunk, (frame) => this.#arrived(decodePeerFrame(frame)));
    } catch (error) {
      this.#fail(error);
    }
    this.#readOn();
  }

  onDrain(): void {
    this.#drainAwaited = false;
    this.#readOn();
  }

  onClose(_error?: Error): void {
    if (this.#state.kind === "closed") return;
    this.#state = { kind: "closed" };
    this.#helloTimer.cancel();
    this.#onClosed();
  }

  destroy(reason: string): void {
    this.#link.destroy(new Error(reason));
  }

  #arrived(frame: PeerFrame): void {
    switch (this.#state.kind) {
      case "unknown":
        return this.#introduced(frame);
      case "challenged":
        return this.#proved(frame, this.#state.introductions);
      case "judged":
        throw new MalformedFrame("a request before the welcome");
      case "welcome":
        return this.#serve(frame, this.#state.brokerId);
      case "closed": // data after the frame that closed it
        return;
    }
  }

  #introduced({ id, kind, body }: PeerFrame): void {
    if (kind !== helloKind) throw new MalformedFrame("the first frame is not an introduction");
    const { clusterId, brokerId, random } = this.#parts;
    const refusal = refusalOf(checkedAnyHello(body), clusterId);
    const said = { version: peerProtocolVersion, clusterId };
    if (refusal !== null) {
      this.#link.write(encodePeerFrame(id, helloKind, { ...said, refusal }));
      return this.#refused(refusal);
    }
    const hello = checkedHello(body);
    const answer: HelloAnswer = { ...said, refusal, brokerId, nonce: newNonce(random) };
    this.#link.write(encodePeerFrame(id, helloKind, answer));
    this.#state = { kind: "challenged", introductions: { clusterId, asking: hello, answering: answer } };
  }

  #proved({ id, kind, body }: PeerFrame, introductions: Introductions): void {
    if (kind !== proofKind) throw new MalformedFrame("the second frame is not a proof");
    const { code } = checkedProof(body);
    const { secret } = this.#parts;
    const isProof = () => isCodeOf(code, secret.value, "asking", introductions);
    if (isProof()) return this.#welcome(id, introductions);
    // Race: (1) the secret is re-created; (2) a broker that has just started reads it; (3) it connects to us, and we know the old one. So
    // the secret is read again before the broker is refused.
    this.#state = { kind: "judged" };
    secret.reread().then(
      () => {
        if (this.#state.kind === "closed") return;
        if (isProof()) return this.#welcome(id, introductions);
        const refusal = `broker ${introductions.asking.brokerId} did not prove that it knows the secret of this cluster, which brokers read from the coordinator`;
        const answer: ProofAnswer = { refusal, code: "" };
        this.#link.write(encodePeerFrame(id, proofKind, answer));
        this.#refused(refusal);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #welcome(id: number, introductions: Introductions): void {
    const { secret, limits } = this.#parts;
    const { kind } = this.#state;
    invariant(kind === "challenged" || kind === "judged", "nobody is welcome unproved", () => ({ kind }));
    this.#helloTimer.cancel();
    this.#state = { kind: "welcome", brokerId: introductions.asking.brokerId };
    this.#splitter.frameMaxBytes = limits.frameMaxBytes;
    const answer: ProofAnswer = { refusal: null, code: codeOf(secret.value, "answering", introductions) };
    this.#link.write(encodePeerFrame(id, proofKind, answer));
  }

  #refused(reason: string): void {
    this.#helloTimer.cancel();
    this.#parts.log.warn({ remote: this.#link.remote, reason }, "a broker was refused");
    this.#link.end();
    this.onClose();
  }

  #serve({ id, kind, body, payload }: PeerFrame, from: BrokerId): void {
    if (!isPeerKind(kind)) throw new MalformedFrame("a kind of message that is not known");
    this.#underWay++;
    this.#handle(kind, body, payload, from)
      .then((answer) => this.#answer(id, kind, answer))
      // also an answer that cannot be encoded: it contains what others sent
      .catch((error: unknown) => this.#fail(error, kind));
  }

  /**
   * In this turn: requests of a link are started in the order of arrival. A body of the wrong shape, or in another broker's name, throws.
   */
  #handle<K extends PeerKind>(kind: K, body: unknown, payload: Buffer, from: BrokerId): ReturnType<PeerHandlers[K]> {
    const handler = this.#parts.handlers[kind] as PeerHandlers[K];
    const request = checkedRequest(kind, body);
    const speaker = speakerOf(kind, request);
    if (speaker !== null && speaker !== from) throw new MalformedFrame(`a ${kind} of broker ${from} in the name of broker ${speaker}`);
    return handler(request as never, payload, this.#link.remote) as ReturnType<PeerHandlers[K]>;
  }

  #answer(id: number, kind: PeerKind, { body, payload, release }: Awaited<ReturnType<PeerHandlers[PeerKind]>>): void {
    this.#underWay--;
    invariant(this.#underWay >= 0, "a request is answered once");
    if (this.#state.kind === "closed") return release?.();
    if (!this.#link.write(encodePeerFrame(id, kind, body, payload), release)) this.#drainAwaited = true;
    this.#readOn();
  }

  #readOn(): void {
    if (this.#state.kind === "closed") return;
    const { requestsInFlightMax, unsentMaxBytes } = this.#parts.limits;
    const full = this.#underWay >= requestsInFlightMax || (this.#drainAwaited && this.#link.queuedBytes >= unsentMaxBytes);
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#link.pause();
    else this.#link.resume();
  }

  #fail(error: unknown, kind?: PeerKind): void {
    if (error instanceof InvariantViolation) return this.#parts.onFatal(error);
    if (this.#state.kind === "closed") return;
    const { log } = this.#parts;
    const remote = this.#link.remote;
    if (error instanceof MalformedFrame || error instanceof ShapeMismatch) {
      const stranger = this.#state.kind === "unknown" ? " (this port is for brokers; clients have another)" : "";
      log.warn({ remote, reason: error.message }, `peer link closed: bad message${stranger}`);
    } else log.error({ remote, kind, err: error }, "peer link closed: a request failed");
    this.#link.destroy();
    this.onClose();
  }
}
