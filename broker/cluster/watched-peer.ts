import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import { formatAddress } from "../../protocol/base/transport.ts";
import type { BrokerRecord } from "../../protocol/peer/messages.ts";
import { type PeerRequester, PeerUnavailable, type Unavailability } from "../runtime/peer-port.ts";
import { Patience } from "./patience.ts";
import type { PeerView, Reach, Standing } from "./suspicion.ts";

export interface WatchingParts {
  readonly own: { readonly brokerId: BrokerId };
  readonly peers: PeerRequester;
  readonly clock: Clock;
  readonly suspectTimeoutMs: number;
}

/** After a link that broke the second time in a row; longer each time. */
const brokenPauseMs = 10;

/** One registration of another broker, and when it last answered. */
export class WatchedPeer {
  readonly broker: BrokerRecord;
  readonly #parts: WatchingParts;
  readonly #onNews: () => void;
  readonly #ended = new AbortController();
  /** The last answer of this registration; before the first, when watching began. */
  #heardMs: number;
  #wasHeard = false;
  /** When it last asked us; before the first time, when watching began. */
  #askedMs: number;
  /** Since its last answer: nobody listens there, or somebody else does. */
  #isRefused = false;
  /** It answers, and says that it has no registration: its process is there, and serves no writes. */
  #isUnregistered = false;
  #isStuck = false;
  readonly #patience: Patience;
  /** When it was last heard from after a silence of more than the timeout, whether or not that counted. */
  #lateAtMs = Number.NEGATIVE_INFINITY;
  /** As its watch has noted it. */
  noted: Standing = "reached";

  constructor(broker: BrokerRecord, parts: WatchingParts, onNews: () => void) {
    this.broker = broker;
    this.#parts = parts;
    this.#onNews = onNews;
    this.#patience = new Patience(parts.suspectTimeoutMs);
    this.#heardMs = parts.clock.monotonicMs();
    this.#askedMs = this.#heardMs;
    void this.#run();
  }

  isOf(broker: BrokerRecord | undefined): boolean {
    return broker?.epoch === this.broker.epoch && formatAddress(broker.peer) === formatAddress(this.broker.peer);
  }

  get isUnregistered(): boolean {
    return this.#isUnregistered;
  }

  end(): void {
    this.#ended.abort();
  }

  /** Time in which this process did not run, and could not hear anyone. */
  doNotCount(lateMs: number): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#heardMs = Math.min(this.#heardMs + Math.max(0, lateMs), nowMs);
    this.#askedMs = Math.min(this.#askedMs + Math.max(0, lateMs), nowMs);
  }

  /** Nobody could be heard until now: it has half the time from here on. */
  beginAnew(): void {
    const { clock, suspectTimeoutMs } = this.#parts;
    this.#heardMs = Math.max(this.#heardMs, clock.monotonicMs() - suspectTimeoutMs / 2);
  }

  /** Its heartbeat has come. */
  noteAsked(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#patience.heardAfter(nowMs - this.#askedMs, nowMs);
    this.#askedMs = nowMs;
  }

  /** Whether it asks us; one that does not may not reach us, though we reach it. */
  asksAt(nowMs: number): boolean {
    return nowMs - this.#askedMs <= this.#patience.at(nowMs);
  }

  /**
   * A refusal counts once it has answered in this registration. Before that it may not know its registration yet: (1) it registers; (2) the
   * controller tells us; (3) it says that it is not registered, for the coordinator's answer is still on its way.
   */
  reachAt(nowMs: number): Reach {
    const isSilent = nowMs - this.#heardMs > this.#patience.at(nowMs);
    if (this.#isRefused && (this.#wasHeard || isSilent)) return "gone";
    return isSilent ? "silent" : "reached";
  }

  /** When it was last silent for longer than the timeout, whether or not that counted; before that, it was calm. */
  lateAtMs(nowMs: number): number {
    return nowMs - this.#heardMs > this.#parts.suspectTimeoutMs ? nowMs : this.#lateAtMs;
  }

  viewAt(nowMs: number): PeerView {
    return {
      reach: this.reachAt(nowMs),
      isStuck: this.#isStuck,
      silentForMs: this.#wasHeard ? nowMs - this.#heardMs : Number.POSITIVE_INFINITY,
    };
  }

  async #run(): Promise<void> {
    const { clock, suspectTimeoutMs } = this.#parts;
    const intervalMs = suspectTimeoutMs / 4;
    const { signal } = this.#ended;
    let isFirstOnLink = true;
    let broken = 0;
    while (!signal.aborted) {
      // the first answer on a link comes at once
      const waitMs = isFirstOnLink ? 0 : intervalMs;
      const startedMs = clock.monotonicMs();
      const why = await this.#beat(waitMs);
      if (signal.aborted) return;
      const wasHeld = why === null && clock.monotonicMs() - startedMs >= waitMs / 2;
      isFirstOnLink = why !== null;
      if (why !== null || this.noted !== "reached") this.#onNews();
      // A link that broke is opened again at once, to find out whether anyone is there. One that breaks again may be of a process that is
      // dying: its system closes one socket after the other, and its port last. The first answer on a link, which comes at once, says
      // nothing of how long the link holds.
      if (why === "broken") broken++;
      else if (why !== null || waitMs > 0) broken = 0;
      const pauseMs = broken === 0 ? intervalMs : Math.min(intervalMs, brokenPauseMs * (broken - 1));
      if (!wasHeld) await sleep(clock, pauseMs, signal).catch(() => undefined);
    }
  }

  /** Null: it answered. */
  async #beat(waitMs: number): Promise<Unavailability | "another" | null> {
    const { own, peers, clock } = this.#parts;
    const options = { timeoutMs: this.#patience.at(clock.monotonicMs()), lane: "heartbeat", signal: this.#ended.signal } as const;
    try {
      const { body } = await peers.request(this.broker.peer, "heartbeat", { brokerId: own.brokerId, waitMs: Math.round(waitMs) }, options);
      this.#isUnregistered = body.brokerEpoch < 0;
      this.#isStuck = body.isStuck;
      if (body.brokerEpoch !== this.broker.epoch) {
        this.#isRefused = true;
        return "another";
      }
      const nowMs = clock.monotonicMs();
      if (this.#wasHeard) {
        this.#lateAtMs = this.lateAtMs(nowMs);
        this.#patience.heardAfter(nowMs - this.#heardMs, nowMs);
      }
      this.#heardMs = nowMs;
      this.#wasHeard = true;
      this.#isRefused = false;
      return null;
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      const why = error instanceof PeerUnavailable ? error.why : "unanswered";
      if (why === "refused") {
        this.#isRefused = true;
        this.#isUnregistered = false;
      }
      return why;
    }
  }
}
