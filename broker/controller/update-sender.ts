import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { loop } from "../../protocol/base/loop.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { Address } from "../../protocol/base/transport.ts";
import type { MetadataUpdateRequest, MetadataUpdateResponse } from "../../protocol/peer/messages.ts";
import type { PeerRequester } from "../runtime/peer-port.ts";
import { allDirty, type DirtySet, deletionsTold, isClean, mergeDirty, nothingDirty, type Sender, updatesFor } from "./dirty-set.ts";
import type { StartingLeaders, StateBook, TellingOrder } from "./state-book.ts";

export interface UpdateSenderParts {
  readonly peers: PeerRequester;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Its contents at the moment of sending are sent. */
  readonly book: Pick<StateBook, "current"> & { readonly starting: Pick<StartingLeaders, "current"> };
  readonly events: UpdateEvents;
}

export interface UpdateEvents {
  /** A broker has applied the updates up to this change. */
  acknowledged(brokerId: BrokerId, changeNumber: number): void;
  /** A broker knows a newer controller. */
  deposed(): void;
  /** The broker has nothing left of these deleted topics. */
  deleted(broker: BrokerId, topicIds: readonly TopicId[]): void;
}

/** How long one update may stay unanswered before it is sent again. A broker assumes its roles before it answers. */
const requestTimeoutMs = 30_000;
/** Those that are told last wait so long at most for those that are told first. */
const heldBackMaxMs = 50;
const pauseMinMs = 20;
const pauseMaxMs = 1_000;

/**
 * Sends every live broker what changed: one update in flight per broker, each made of the latest state of what that broker lacks, repeated
 * until it is acknowledged or that registration is gone. The first after a registration, or from a new controller, is full.
 */
export class UpdateSender {
  readonly #sender: Sender;
  readonly #parts: UpdateSenderParts;
  readonly #channels = new Map<BrokerId, Channel>();
  readonly #waiters = new Set<() => void>();
  #changeNumber = 0;
  #stopped = false;

  constructor(sender: Sender, parts: UpdateSenderParts) {
    this.#sender = sender;
    this.#parts = parts;
  }

  /**
   * Adds channels for registrations that are new in the state and ends those of registrations that are gone. Call after each change of the
   * brokers.
   */
  brokersChanged(): void {
    const { brokers } = this.#parts.book.current;
    for (const [id, channel] of this.#channels) {
      if (brokers.get(id)?.epoch === channel.brokerEpoch) continue;
      channel.end();
      this.#channels.delete(id);
    }
    for (const { id, epoch } of brokers.values()) {
      if (this.#channels.has(id)) continue;
      const channel = new Channel(id, epoch, this.#sender, this.#parts, (number) => {
        this.#parts.events.acknowledged(id, number);
        this.#wake();
      });
      this.#channels.set(id, channel);
      channel.mark(allDirty, this.#changeNumber);
    }
    this.#wake();
  }

  /**
   * Every live broker is to learn of this; with an `order`, some only once the others have it, or after a moment. Returns the change's
   * number, for `acknowledged`.
   */
  changed(dirty: DirtySet, order: TellingOrder | null = null): number {
    const number = ++this.#changeNumber;
    for (const [id, channel] of this.#channels) channel.mark(dirty, number, order?.last.has(id) === true ? heldBackMaxMs : 0);
    if (order !== null && order.last.size > 0) void this.#tellInOrder(number, order);
    return number;
  }

  async #tellInOrder(number: number, { first, last }: TellingOrder): Promise<void> {
    await this.acknowledged(number, heldBackMaxMs, (id) => first.has(id));
    for (const id of last) this.#channels.get(id)?.release();
  }

  /** Of the last change. */
  get changeNumber(): number {
    return this.#changeNumber;
  }

  /** Resolves true once every live broker of `whose` has acknowledged the change; false after `timeoutMs`, or when `stop` was called. */
  acknowledged(changeNumber: number, timeoutMs: number, whose: (id: BrokerId) => boolean = () => true): Promise<boolean> {
    invariant(changeNumber <= this.#changeNumber, "what is waited for was told", () => ({ changeNumber, last: this.#changeNumber }));
    const isKnown = () => [...this.#channels].every(([id, channel]) => !whose(id) || channel.acknowledgedNumber >= changeNumber);
    if (isKnown()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (known: boolean) => {
        timer.cancel();
        this.#waiters.delete(check);
        resolve(known);
      };
      const check = () => {
        if (this.#stopped) settle(false);
        else if (isKnown()) settle(true);
      };
      const timer: Timer = this.#parts.clock.schedule(timeoutMs, () => settle(false));
      this.#waiters.add(check);
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const channel of this.#channels.values()) channel.end();
    this.#channels.clear();
    this.#wake();
  }

  #wake(): void {
    for (const check of [...this.#waiters]) check();
  }
}

/** The broker does not have what the changes build on. */
class FullUpdateNeeded extends Error {
  override readonly name = "FullUpdateNeeded";
}

class Channel {
  readonly brokerEpoch: number;
  readonly #id: BrokerId;
  readonly #sender: Sender;
  readonly #parts: UpdateSenderParts;
  readonly #onAcknowledged: (changeNumber: number) => void;
  readonly #abort = new AbortController();
  #dirty: DirtySet = nothingDirty;
  #markedNumber = 0;
  #acknowledgedNumber = -1;
  #isSending = false;
  /** What is to be sent is held back until this; null: it is not. */
  #heldBack: Timer | null = null;
  #sequence = 0;

  constructor(id: BrokerId, brokerEpoch: number, sender: Sender, parts: UpdateSenderParts, onAcknowledged: (changeNumber: number) => void) {
    this.#id = id;
    this.brokerEpoch = brokerEpoch;
    this.#sender = sender;
    this.#parts = parts;
    this.#onAcknowledged = onAcknowledged;
  }

  get acknowledgedNumber(): number {
    return this.#acknowledgedNumber;
  }

  /** `heldBackMs`: sent after this time, or at `release`, unless something else has to be sent before. */
  mark(dirty: DirtySet, changeNumber: number, heldBackMs = 0): void {
    this.#dirty = mergeDirty(this.#dirty, dirty);
    this.#markedNumber = changeNumber;
    if (heldBackMs === 0) this.release();
    if (this.#isSending) return;
    this.#isSending = true;
    if (heldBackMs === 0) return this.#start();
    this.#heldBack = this.#parts.clock.schedule(heldBackMs, () => this.release());
  }

  release(): void {
    if (this.#heldBack === null) return;
    this.#heldBack.cancel();
    this.#heldBack = null;
    this.#start();
  }

  end(): void {
    this.#heldBack?.cancel();
    this.#abort.abort(new Error("the broker's registration is gone, or the controller resigned"));
  }

  /** A turn of the loop later, so that changes made together are sent together. */
  #start(): void {
    this.#parts.clock.schedule(0, () => void this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    const { clock, random, log } = this.#parts;
    const done = new AbortController();
    const signal = AbortSignal.any([this.#abort.signal, done.signal]);
    const step = async () => {
      if (isClean(this.#dirty)) done.abort();
      else await this.#sendOnce();
    };
    await loop(`metadata update to broker ${this.#id}`, step, { clock, random, log, signal, pauseMinMs, pauseMaxMs });
    // marked between the last check and here
    if (!this.#abort.signal.aborted && !isClean(this.#dirty)) this.#start();
    else this.#isSending = false;
  }

  async #sendOnce(): Promise<void> {
    const { current, starting } = this.#parts.book;
    const broker = current.brokers.get(this.#id);
    if (broker?.epoch !== this.brokerEpoch) return this.end();
    const sending = this.#dirty;
    const number = this.#markedNumber;
    this.#dirty = nothingDirty;
    // sent with the last part of a full update, or with the first part of an update of changes
    const kept = new Set<TopicId>();
    const to = {
      sender: this.#sender,
      brokerEpoch: this.brokerEpoch,
      startingLeaders: starting.current,
      nextSequence: () => this.#sequence++,
    };
    try {
      for (const update of updatesFor(current, sending, to)) {
        for (const id of (await this.#request(broker.peer, update)).keptTopics) kept.add(id);
        if (this.#abort.signal.aborted) return;
      }
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      // whether it arrived is unknown: send it again, with what has changed since
      this.#dirty = error instanceof FullUpdateNeeded ? allDirty : mergeDirty(sending, this.#dirty);
      throw error;
    }
    invariant(number >= this.#acknowledgedNumber, "what a broker has acknowledged only rises", () => ({ id: this.#id, number }));
    this.#acknowledgedNumber = number;
    const deleted = [...deletionsTold(current, sending).keys()].filter((id) => !kept.has(id));
    if (deleted.length > 0) this.#parts.events.deleted(this.#id, deleted);
    this.#onAcknowledged(number);
  }

  async #request(to: Address, update: MetadataUpdateRequest): Promise<MetadataUpdateResponse> {
    const { peers, events } = this.#parts;
    const options = { timeoutMs: requestTimeoutMs, lane: "control", signal: this.#abort.signal } as const;
    const { body } = await peers.request(to, "metadata-update", update, options);
    if (body.error === "STALE_CONTROLLER_EPOCH" && !this.#abort.signal.aborted) events.deposed();
    if (body.error === "INVALID_REQUEST") throw new FullUpdateNeeded(`broker ${this.#id} cannot apply the update: ${body.message}`);
    if (body.error !== "NONE") throw new Error(`broker ${this.#id} refused the update: ${body.error} ${body.message}`);
    return body;
  }
}
