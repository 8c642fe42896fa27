import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { PeerHandler, PeerRequester, SilentLinks } from "../runtime/peer-port.ts";
import type { ImageSource } from "./cluster-image.ts";
import {
  hearsMajority,
  isCutOff,
  nobodySuspected,
  type PeerView,
  type Reach,
  type Standing,
  type Suspects,
  sameSuspects,
  standingOf,
  suspectsOf,
} from "./suspicion.ts";
import { WatchedPeer } from "./watched-peer.ts";

export interface PeerWatchParts {
  /** This broker. */
  readonly own: {
    readonly brokerId: BrokerId;
    /** See `LogDirectories`. */
    readonly disks: { readonly stuckForMs: number };
    /** `log.dir.stall.timeout.ms` */
    readonly diskStallTimeoutMs: number;
  };
  readonly peers: PeerRequester & SilentLinks;
  readonly images: ImageSource;
  readonly clock: Clock;
  readonly log: Logger;
  /** `broker.suspect.timeout.ms` */
  readonly suspectTimeoutMs: number;
}

/**
 * Watches all other registered brokers, by heartbeats: a request that the other end answers a little later, so that one is always under
 * way. A process that dies breaks its links, and is known to be gone as soon as its port refuses the next one; one that hangs, and a
 * network that drops packets, are noticed by silence. One whose disk takes nothing says so in its answers.
 */
export class PeerWatch {
  readonly #parts: PeerWatchParts;
  readonly #peers = new Map<BrokerId, WatchedPeer>();
  readonly #listeners = new Set<() => void>();
  #suspects: Suspects = nobodySuspected;
  #hearsMajority = false;
  #isCutOff = false;
  #isStuck = false;
  /** Since when this process has run without a break. */
  #runsSinceMs: number;
  #tickDueMs = Number.POSITIVE_INFINITY;
  #onStall: () => void = () => {};
  #stalls = 0;
  #stallsSettled = 0;

  constructor(parts: PeerWatchParts) {
    this.#parts = parts;
    this.#runsSinceMs = parts.clock.monotonicMs();
  }

  /** `signal`: this broker is stopping, and watches nobody any more. */
  start(signal: AbortSignal): void {
    const unsubscribe = this.#parts.images.onChange(() => this.#watchRegistered());
    signal.addEventListener("abort", () => {
      unsubscribe();
      for (const peer of this.#peers.values()) peer.end();
      this.#peers.clear();
      this.#suspects = nobodySuspected;
      this.#tickDueMs = Number.POSITIVE_INFINITY;
    });
    this.#watchRegistered();
    this.#scheduleTick(signal);
  }

  /** Whom this broker may act against: see `suspectsOf`. The same object for as long as nothing changes. */
  get suspects(): Suspects {
    return this.#suspects;
  }

  /** Whether or not this broker hears from a majority. */
  reachOf(id: BrokerId): Reach {
    this.#leaveOutStall();
    return this.#peers.get(id)?.reachAt(this.#parts.clock.monotonicMs()) ?? "reached";
  }

  /** This broker's disk has taken nothing for too long: others are to lead. */
  get isStuck(): boolean {
    return this.#isStuck;
  }

  /** Or it may be this broker that is cut off. */
  get hearsMajority(): boolean {
    return this.#hearsMajority;
  }

  /**
   * The last time that this process did not run, or was cut off from a majority, for so long that others may have replaced it; its number.
   * Null: there was none, or what this broker leads was looked up since (`settleStall`).
   */
  get stallInDoubt(): number | null {
    this.#leaveOutStall();
    return this.#stalls > this.#stallsSettled ? this.#stalls : null;
  }

  /** Called when there is another. */
  onStall(listener: () => void): void {
    this.#onStall = listener;
  }

  /** Others may have replaced this broker for another reason than a stall. */
  doubt(): void {
    this.#stalls++;
    this.#onStall();
  }

  settleStall(stall: number): void {
    this.#stallsSettled = Math.max(this.#stallsSettled, stall);
  }

  /** Its heartbeat has come. */
  noteAsked(id: BrokerId): void {
    this.#peers.get(id)?.noteAsked();
  }

  /** False: it reaches nobody here, as far as can be seen, though we may reach it. */
  isAskedBy(id: BrokerId): boolean {
    return this.#peers.get(id)?.asksAt(this.#parts.clock.monotonicMs()) ?? true;
  }

  /** It does not reach us, though a majority does and we may reach it: it cannot fetch what we lead. */
  isCutOffFromUs(id: BrokerId): boolean {
    this.#leaveOutStall();
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#peers.get(id)?.asksAt(nowMs) !== false) return false;
    const asking = 1 + [...this.#peers.values()].filter((peer) => peer.asksAt(nowMs)).length;
    return 2 * asking > this.#peers.size + 1;
  }

  /** The registration of it that is watched: what `suspects` says is of this one. Null: none is. */
  watchedEpoch(id: BrokerId): number | null {
    const { own, images } = this.#parts;
    if (id === own.brokerId) return images.current.brokers.get(id)?.epoch ?? null;
    return this.#peers.get(id)?.broker.epoch ?? null;
  }

  /** When it was last silent for longer than the timeout, whether or not that counted (`Patience`). Monotonic; -Infinity: never. */
  lateAtMs(id: BrokerId): number {
    return this.#peers.get(id)?.lateAtMs(this.#parts.clock.monotonicMs()) ?? Number.NEGATIVE_INFINITY;
  }

  /** Called when anything above has changed, and now and then while some broker is not reached. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #watchRegistered(): void {
    const { own, images } = this.#parts;
    const { brokers } = images.current;
    for (const [id, peer] of this.#peers) {
      if (peer.isOf(brokers.get(id))) continue;
      peer.end();
      this.#peers.delete(id);
    }
    for (const broker of brokers.values())
      if (broker.id !== own.brokerId && !this.#peers.has(broker.id))
        this.#peers.set(broker.id, new WatchedPeer(broker, this.#parts, () => this.#judge()));
    this.#judge();
  }

  #scheduleTick(signal: AbortSignal): void {
    const { clock, suspectTimeoutMs } = this.#parts;
    const tickMs = suspectTimeoutMs / 8;
    this.#tickDueMs = clock.monotonicMs() + tickMs;
    clock.schedule(tickMs, () => {
      if (signal.aborted) return;
      this.#judge();
      this.#scheduleTick(signal);
    });
  }

  /**
   * Before anything is judged. Otherwise: (1) this process stands still for seconds; (2) when it runs again, the answer of one broker is
   * what it finds first; (3) by that it has a majority, and another's answer, which it has not got to yet, seems to be late.
   */
  #leaveOutStall(): void {
    const { clock, log, suspectTimeoutMs } = this.#parts;
    const nowMs = clock.monotonicMs();
    const lateMs = nowMs - this.#tickDueMs;
    if (lateMs <= 0) return;
    this.#tickDueMs = nowMs;
    for (const peer of this.#peers.values()) peer.doNotCount(lateMs);
    if (lateMs < suspectTimeoutMs / 2) return;
    this.#runsSinceMs = nowMs;
    this.#stalls++;
    log.warn({ lateMs: Math.round(lateMs) }, "this process did not run for a while: others may suspect it");
    this.#onStall();
  }

  #judge(): void {
    this.#leaveOutStall();
    const { own, clock, suspectTimeoutMs } = this.#parts;
    const nowMs = clock.monotonicMs();
    this.#lookAtDisks(nowMs);
    const peers = [...this.#peers];
    const viewsNow = () => new Map<BrokerId, PeerView>(peers.map(([id, peer]) => [id, peer.viewAt(nowMs)]));
    let views = viewsNow();
    const hears = hearsMajority(views, suspectTimeoutMs / 2);
    // Race: (1) this broker was cut off from all others for a while; (2) the network is back, and one of them answers first; (3) by that it
    // has a majority, and another, which is about to answer, has been silent for far too long.
    if (hears && !this.#hearsMajority) {
      for (const [, peer] of peers) peer.beginAnew();
      views = viewsNow();
    }
    this.#hearsMajority = hears;
    this.#lookWhetherCutOff(views);
    const changed = peers.filter(([id, peer]) => this.#note(peer, views.get(id)!));
    const suspects = suspectsOf(views, suspectTimeoutMs / 2, this.#isStuck ? own.brokerId : null);
    const isSame = sameSuspects(suspects, this.#suspects);
    if (!isSame) this.#suspects = suspects;
    const isAnyoneAway = this.#isStuck || peers.some(([id, peer]) => standingOf(views.get(id)!) !== "reached" || !peer.asksAt(nowMs));
    if (isSame && changed.length === 0 && !isAnyoneAway) return;
    for (const listener of [...this.#listeners]) listener();
  }

  /**
   * When it begins, and again when it is over. Otherwise: (1) this broker is cut off from everything for longer than the others wait, and
   * another takes its place; (2) the cut is over, its session is still proved, and nobody has told it yet; (3) it serves what is out of
   * date:
   * a group's position of before the cut.
   */
  #lookWhetherCutOff(views: ReadonlyMap<BrokerId, PeerView>): void {
    const isCut = isCutOff(views);
    if (isCut === this.#isCutOff) return;
    this.#isCutOff = isCut;
    this.doubt();
  }

  /** A process that did not run has not heard from its disk either. */
  #lookAtDisks(nowMs: number): void {
    const { own, log } = this.#parts;
    const { stuckForMs } = own.disks;
    const isStuck = Math.min(stuckForMs, nowMs - this.#runsSinceMs) >= own.diskStallTimeoutMs;
    if (isStuck === this.#isStuck) return;
    this.#isStuck = isStuck;
    if (isStuck) log.warn({ stuckForMs: Math.round(stuckForMs) }, "this broker's disk takes nothing: others are to lead until it does");
    else log.info({}, "this broker's disk takes what is written again");
  }

  /** Whether it is reached in another way than last time. */
  #note(peer: WatchedPeer, view: PeerView): boolean {
    const before = peer.noted;
    const reach = standingOf(view);
    if (reach === before) return false;
    peer.noted = reach;
    const { log, peers } = this.#parts;
    const { id: brokerId, epoch: brokerEpoch, peer: address } = peer.broker;
    const fields = { brokerId, brokerEpoch, silentForMs: Math.round(view.silentForMs) };
    if (reach !== "reached") log.warn(fields, wordsOf(reach, peer));
    else log.info(fields, before === "stuck" ? "another broker's disk takes what is written again" : "another broker answers again");
    // What waits on its links would wait for TCP, which sends again ever more rarely, also when the other end is back.
    if (reach === "silent" || before === "silent") peers.giveUp(address);
    return true;
  }
}

function wordsOf(how: Exclude<Standing, "reached">, { isUnregistered }: WatchedPeer): string {
  if (how === "silent") return "another broker does not answer";
  if (how === "stuck") return "another broker's disk takes nothing";
  return isUnregistered ? "another broker has lost its ZooKeeper session" : "another broker's process is gone";
}

/** What a request may hold its answer back for, whatever it asks for. */
const waitMaxMs = 10_000;

/** The other end of a heartbeat. Also while this broker stops: it is there until its links are closed. */
export function heartbeatHandler(
  clock: Clock,
  membership: { readonly epoch: number },
  watch: Pick<PeerWatch, "noteAsked" | "isStuck">,
): PeerHandler<"heartbeat"> {
  return async ({ brokerId, waitMs }) => {
    watch.noteAsked(brokerId);
    await sleep(clock, Math.min(waitMs, waitMaxMs));
    return { body: { brokerEpoch: membership.epoch, isStuck: watch.isStuck } };
  };
}
