import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Link, LinkHandlers } from "../../protocol/base/transport.ts";
import type { PeerKind } from "../../protocol/peer/messages.ts";
import { checkedRequest, isPeerKind, ShapeMismatch } from "../../protocol/peer/shape-check.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import type { PeerHandlers } from "../runtime/peer-port.ts";
import { decodePeerFrame, encodePeerFrame, type PeerFrame } from "./peer-frame.ts";
import { checkedHello, type HelloAnswer, helloKind, helloMaxBytes, peerProtocolVersion, refusalOf } from "./peer-hello.ts";

export interface PeerServerLimits {
  readonly frameMaxBytes: number;
  /** Requests of one link under way; reading pauses there. */
  readonly requestsInFlightMax: number;
  /** Answer bytes that the other end leaves unread; reading pauses there. */
  readonly unsentMaxBytes: number;
  /** A link that has not introduced itself by then is closed. */
  readonly helloTimeoutMs: number;
  /** Links open at a time: each broker has a few to each other. */
  readonly linksMax: number;
}

export interface PeerServerParts {
  readonly clusterId: string;
  readonly handlers: PeerHandlers;
  readonly limits: PeerServerLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** A bug was found: the process is to end. */
  readonly onFatal: (error: InvariantViolation) => void;
}

/** The answering end of one link between brokers. Nothing is served before the other end introduced itself as a broker of this cluster. */
export class PeerConnection implements LinkHandlers {
  readonly #link: Link;
  readonly #parts: PeerServerParts;
  readonly #onClosed: () => void;
  readonly #splitter = new FrameSplitter({ frameMaxBytes: helloMaxBytes });
  readonly #helloTimer: Timer;
  #state: "unknown" | "welcome" | "closed" = "unknown";
  #underWay = 0;
  #paused = false;
  /** The link said that it has more queued than it likes, and will say when it has not. */
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
    if (this.#state === "closed") return;
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
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#helloTimer.cancel();
    this.#onClosed();
  }

  destroy(reason: string): void {
    this.#link.destroy(new Error(reason));
  }

  #arrived(frame: PeerFrame): void {
    switch (this.#state) {
      case "unknown":
        return this.#introduced(frame);
      case "welcome":
        return this.#serve(frame);
      case "closed": // what came after the frame that closed it
        return;
    }
  }

  #introduced({ id, kind, body }: PeerFrame): void {
    if (kind !== helloKind) throw new MalformedFrame("the first frame is not an introduction");
    const hello = checkedHello(body);
    const { clusterId, limits, log } = this.#parts;
    const refusal = refusalOf(hello, clusterId);
    const answer: HelloAnswer = { version: peerProtocolVersion, clusterId, refusal };
    this.#link.write(encodePeerFrame(id, helloKind, answer));
    this.#helloTimer.cancel();
    if (refusal === null) {
      this.#state = "welcome";
      this.#splitter.frameMaxBytes = limits.frameMaxBytes;
      return;
    }
    log.warn({ remote: this.#link.remote, reason: refusal }, "a broker was refused");
    this.#link.end();
    this.onClose();
  }

  #serve({ id, kind, body, payload }: PeerFrame): void {
    if (!isPeerKind(kind)) throw new MalformedFrame("a kind of message that is not known");
    this.#underWay++;
    this.#handle(kind, body, payload)
      .then((answer) => this.#answer(id, kind, answer))
      // an answer that cannot be encoded too: it is made of what others said
      .catch((error: unknown) => this.#fail(error, kind));
  }

  /** In this turn: requests of a link are started in the order in which they came. A body of the wrong shape throws. */
  #handle<K extends PeerKind>(kind: K, body: unknown, payload: Buffer): ReturnType<PeerHandlers[K]> {
    const handler = this.#parts.handlers[kind] as PeerHandlers[K];
    const request = checkedRequest(kind, body) as never;
    return handler(request, payload, this.#link.remote) as ReturnType<PeerHandlers[K]>;
  }

  #answer(id: number, kind: PeerKind, { body, payload }: Awaited<ReturnType<PeerHandlers[PeerKind]>>): void {
    this.#underWay--;
    if (this.#state === "closed") return;
    if (!this.#link.write(encodePeerFrame(id, kind, body, payload))) this.#drainAwaited = true;
    this.#readOn();
  }

  #readOn(): void {
    if (this.#state === "closed") return;
    const { requestsInFlightMax, unsentMaxBytes } = this.#parts.limits;
    const full = this.#underWay >= requestsInFlightMax || (this.#drainAwaited && this.#link.queuedBytes >= unsentMaxBytes);
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#link.pause();
    else this.#link.resume();
  }

  #fail(error: unknown, kind?: PeerKind): void {
    if (error instanceof InvariantViolation) return this.#parts.onFatal(error);
    if (this.#state === "closed") return;
    const { log } = this.#parts;
    const remote = this.#link.remote;
    if (error instanceof MalformedFrame || error instanceof ShapeMismatch) {
      const stranger = this.#state === "unknown" ? " (this port is for brokers; clients have another)" : "";
      log.warn({ remote, reason: error.message }, `peer link closed: bad message${stranger}`);
    } else log.error({ remote, kind, err: error }, "peer link closed: a request failed");
    this.#link.destroy();
    this.onClose();
  }
}
