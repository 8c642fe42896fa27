import { type Coordinator, CoordinatorUnavailable } from "../../coordinator-client/coordinator.ts";
import { readPartitionState } from "../../coordinator-client/read-partition-state.ts";
import { MalformedZnode } from "../../coordinator-client/znodes/json.ts";
import { brokerIdsPath } from "../../coordinator-client/znodes/paths.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { type BrokerId, noBroker, type TopicId } from "../../protocol/base/ids.ts";
import type { PartitionRecord } from "../../protocol/peer/messages.ts";
import { pipelined } from "../runtime/pipelined.ts";
import type { ImageSource } from "./cluster-image.ts";
import type { PeerWatch } from "./peer-watch.ts";

/** A partition that another broker leads by now. */
export interface LedElsewhere {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly record: PartitionRecord;
}

export interface CutOffLeaderParts {
  readonly brokerId: BrokerId;
  readonly coordinator: Coordinator;
  readonly images: ImageSource;
  readonly clock: Clock;
  /** What may have happened without this broker. */
  readonly doubts: {
    readonly vote: { readonly isControllerAway: boolean };
    readonly watch: Pick<PeerWatch, "stallInDoubt" | "settleStall">;
  };
  readonly adopt: (partitions: readonly LedElsewhere[]) => Promise<void>;
}

/** A controller that is gone is replaced by then. */
const firstLookMs = 300;
const pauseMs = 500;
/** In one look: that many states are read in some 50 ms. */
const partitionsMax = 1_000;
const readsAtOnceMax = 64;

/**
 * A leader that cannot reach the controller may have a successor that nobody can tell it of: it is suspected, while its clients, and the
 * coordinator, still reach it. So it looks in the coordinator whether it still leads. Otherwise:
 * 1. This broker is cut off from the others. Their controller elects another leader for what it leads.
 * 2. Its producers wait: with acks=all its followers would have to fetch. With acks=1 it acknowledges what will be cut off.
 * 3. Both go on for as long as the cut lasts.
 *
 * A leader whose process did not run for a while, or that was cut off from a majority of the others, looks as well, at once and at
 * everything, and acknowledges nothing before it has (`sessionProvedUntilMs`). Otherwise: (1) it stands still for longer than the others
 * wait, and another leads; (2) it goes on, its session still proved; (3) with acks=1 it acknowledges what came to its sockets meanwhile,
 * until it is told.
 *
 * What it reads only takes leaderships away, and only for a higher leader epoch.
 */
export class CutOffLeader {
  readonly #parts: CutOffLeaderParts;
  #isLooking = false;
  #isSettling = false;
  /** Where the next look begins, among the partitions led here. */
  #next = 0;

  constructor(parts: CutOffLeaderParts) {
    this.#parts = parts;
  }

  /** To be called when something is in doubt. Looks until it is not. */
  look(signal: AbortSignal): void {
    const { vote, watch } = this.#parts.doubts;
    if (!this.#isSettling && watch.stallInDoubt !== null) {
      this.#isSettling = true;
      void this.#settle(signal);
    }
    if (this.#isLooking || !vote.isControllerAway) return;
    this.#isLooking = true;
    void this.#lookWhileAway(signal);
  }

  async #settle(signal: AbortSignal): Promise<void> {
    const { clock, doubts } = this.#parts;
    const { watch } = doubts;
    for (let stall = watch.stallInDoubt; stall !== null && !signal.aborted; stall = watch.stallInDoubt) {
      if ((await this.#isUpToDate()) && (await this.#lookAt(this.#led()))) watch.settleStall(stall);
      else await sleep(clock, pauseMs, signal).catch(() => undefined);
    }
    this.#isSettling = false;
  }

  /**
   * The server that this broker is connected to may lag behind the others, and not know of its successor yet. A transaction of ours follows
   * whatever came before it, in the order of all servers.
   */
  async #isUpToDate(): Promise<boolean> {
    const result = await this.#parts.coordinator.write([{ kind: "check", path: brokerIdsPath, version: -1 }]).catch((error: unknown) => {
      if (error instanceof CoordinatorUnavailable) return null;
      throw error;
    });
    return result !== null && result.kind !== "unknown";
  }

  async #lookWhileAway(signal: AbortSignal): Promise<void> {
    const { clock, doubts } = this.#parts;
    await sleep(clock, firstLookMs, signal).catch(() => undefined);
    while (!signal.aborted && doubts.vote.isControllerAway) {
      await this.#lookAt(this.#nextLed());
      await sleep(clock, pauseMs, signal).catch(() => undefined);
    }
    this.#isLooking = false;
  }

  /** As many as one look takes, in turns. */
  #nextLed(): LedElsewhere[] {
    const led = this.#led();
    if (led.length === 0) return led;
    const from = this.#next % led.length;
    const next = [...led.slice(from), ...led.slice(0, from)].slice(0, partitionsMax);
    this.#next = from + next.length;
    return next;
  }

  /** True: all of them could be asked for. */
  async #lookAt(led: readonly LedElsewhere[]): Promise<boolean> {
    const found = await pipelined(led, readsAtOnceMax, (one) => this.#successorOf(one));
    const elsewhere = found.filter((one) => one !== null && one !== "unavailable");
    if (elsewhere.length > 0) await this.#parts.adopt(elsewhere);
    return !found.includes("unavailable");
  }

  #led(): LedElsewhere[] {
    const { brokerId, images } = this.#parts;
    return [...images.current.topics.values()].flatMap(({ name, id, partitions }) =>
      partitions.filter(({ leader }) => leader === brokerId).map((record) => ({ topic: name, topicId: id, record })),
    );
  }

  /** Null: there is none, or none that can be read. */
  async #successorOf({ topic, topicId, record }: LedElsewhere): Promise<LedElsewhere | "unavailable" | null> {
    const { brokerId, coordinator } = this.#parts;
    try {
      const found = await readPartitionState(coordinator, topic, record.partition);
      if (found === null) return null;
      const { state } = found;
      if (state.leaderEpoch <= record.leaderEpoch || state.leader === brokerId || state.leader === noBroker) return null;
      return { topic, topicId, record: { ...record, ...state } };
    } catch (error) {
      if (error instanceof CoordinatorUnavailable) return "unavailable";
      if (error instanceof MalformedZnode) return null;
      throw error;
    }
  }
}
