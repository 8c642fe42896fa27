import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { BrokerRecord, ControllerUnreachableRequest, ControllerUnreachableResponse } from "../../protocol/peer/messages.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { PeerWatch } from "../cluster/peer-watch.ts";
import type { PeerRequester } from "../runtime/peer-port.ts";

/** A controller as a registration of a broker: what a broker cannot reach is a process, not an id. */
export interface ControllerLife {
  readonly brokerId: BrokerId;
  readonly brokerEpoch: number;
}

export function isSameLife(a: ControllerLife | null | undefined, b: ControllerLife): boolean {
  return a?.brokerId === b.brokerId && a.brokerEpoch === b.brokerEpoch;
}

export interface ControllerVoteParts {
  readonly brokerId: BrokerId;
  readonly peers: PeerRequester;
  readonly images: ImageSource;
  readonly watch: Pick<PeerWatch, "reachOf" | "hearsMajority" | "isAskedBy" | "onChange">;
  readonly clock: Clock;
  readonly controller: {
    /** Who holds `/controller`, as seen last; null: nobody, or not known. */
    readonly holder: BrokerId | null;
    /** A majority cannot reach it: this broker is to take its place. */
    replace(controller: ControllerLife): void;
  };
}

const askAgainMinMs = 25;
const askAgainMaxMs = 250;
const answerTimeoutMs = 500;

/**
 * Replaces a controller that cannot be reached, without waiting for its session to end, if a majority of the registered brokers cannot
 * reach it either:
 * 1. A broker that cannot reach the controller asks the others. One agrees if it cannot reach that same process either.
 * 2. With a majority of all registered brokers, itself included, it takes `/controller` over by compare-and-set (`electController`), with a
 *    raised epoch. Two that do so at one moment: one wins, the other one's transaction fails.
 * 3. The one that was replaced may be well, and cut off from the others only. Its next write fails, for the epoch was raised (I7).
 * 4. Who cannot reach a majority gets none to agree: a broker that is cut off replaces nobody.
 * 5. Two controllers that a majority each finds unreachable would take turns; so each replacement has to wait longer (`HoldOff`).
 */
export class ControllerVote {
  readonly #parts: ControllerVoteParts;
  readonly #holdOff = new HoldOff();
  #signal = AbortSignal.abort();
  #isAsking = false;

  constructor(parts: ControllerVoteParts) {
    this.#parts = parts;
  }

  /** Before that, and when `signal` aborts, no controller is away for this broker. */
  start(signal: AbortSignal): void {
    this.#signal = signal;
    const unsubscribe = this.#parts.watch.onChange(() => this.#look());
    signal.addEventListener("abort", unsubscribe);
  }

  /** This broker does not reach it, or it does not reach this broker: nobody may be able to tell what it has decided. */
  get isControllerAway(): boolean {
    const { watch } = this.#parts;
    const other = this.#otherController();
    return other !== null && (watch.reachOf(other.brokerId) !== "reached" || !watch.isAskedBy(other.brokerId));
  }

  /** Another broker asks. */
  async answer({ controllerId, controllerBrokerEpoch }: ControllerUnreachableRequest): Promise<ControllerUnreachableResponse> {
    const ours = this.#unreachable();
    const theirs = { brokerId: controllerId, brokerEpoch: controllerBrokerEpoch };
    const agrees = isSameLife(ours, theirs) && this.#mayTakeNow(theirs);
    return { agrees };
  }

  /** Null: unknown, or this broker itself. */
  #otherController(): ControllerLife | null {
    const { brokerId, images, controller } = this.#parts;
    const id = controller.holder;
    if (id === null || id === brokerId || this.#signal.aborted) return null;
    const broker = images.current.brokers.get(id);
    return broker === undefined ? null : { brokerId: id, brokerEpoch: broker.epoch };
  }

  /** Null: it is reached, or this broker hears from no majority, and may be the one that is cut off, or has been until now. */
  #unreachable(): ControllerLife | null {
    const { watch } = this.#parts;
    const other = this.#otherController();
    return other === null || !watch.hearsMajority || watch.reachOf(other.brokerId) === "reached" ? null : other;
  }

  #mayTakeNow(life: ControllerLife): boolean {
    const { clock, images } = this.#parts;
    const isRegistered = ({ brokerId, brokerEpoch }: ControllerLife) => images.current.brokers.get(brokerId)?.epoch === brokerEpoch;
    return this.#holdOff.take(life, clock.monotonicMs(), isRegistered);
  }

  #look(): void {
    if (this.#isAsking || this.#unreachable() === null) return;
    this.#isAsking = true;
    void this.#askUntilSettled();
  }

  async #askUntilSettled(): Promise<void> {
    const { clock, controller } = this.#parts;
    let pauseMs = askAgainMinMs;
    for (let away = this.#unreachable(); away !== null; away = this.#unreachable()) {
      if (this.#mayTakeNow(away) && (await this.#doMostAgree(away))) {
        controller.replace(away);
        pauseMs = askAgainMaxMs;
      }
      await sleep(clock, pauseMs, this.#signal).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, askAgainMaxMs);
    }
    this.#isAsking = false;
  }

  /** As soon as enough have answered; those that cannot be reached do not hold it up. */
  #doMostAgree(away: ControllerLife): Promise<boolean> {
    const { brokerId, images } = this.#parts;
    const all = [...images.current.brokers.values()];
    const others = all.filter(({ id }) => id !== brokerId && id !== away.brokerId);
    let agreeing = 1;
    const isMajority = () => 2 * agreeing > all.length;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const asked = others.map(async (other) => {
      if (await this.#ask(other, away)) agreeing++;
      if (isMajority()) resolve(true);
    });
    void Promise.all(asked).then(() => resolve(isMajority()));
    return promise;
  }

  async #ask({ peer }: BrokerRecord, away: ControllerLife): Promise<boolean> {
    const { brokerId, peers } = this.#parts;
    const request = { brokerId, controllerId: away.brokerId, controllerBrokerEpoch: away.brokerEpoch };
    const options = { timeoutMs: answerTimeoutMs, lane: "heartbeat", signal: this.#signal } as const;
    try {
      const { body } = await peers.request(peer, "controller-unreachable", request, options);
      return body.agrees;
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      return false;
    }
  }
}

const rememberedMs = 60_000;
const firstHoldOffMs = 1_000;
const holdOffMaxMs = 16_000;

/**
 * The first replacement may be at once, and each further one within a minute has to wait twice as long. Those whose registration is gone
 * meanwhile do not count: they cannot take turns with anyone, and of controllers that die one after the other each is replaced at once.
 */
export class HoldOff {
  #taken: readonly { readonly life: ControllerLife; readonly atMs: number }[] = [];

  /** Whether this one may be replaced now, as far as this broker is concerned; if so, it counts. The same one again is no further one. */
  take(life: ControllerLife, nowMs: number, isRegistered: (life: ControllerLife) => boolean): boolean {
    this.#taken = this.#taken.filter((each) => nowMs - each.atMs <= rememberedMs && isRegistered(each.life));
    const last = this.#taken.at(-1);
    if (isSameLife(last?.life, life)) return true;
    const holdOffMs = Math.min(firstHoldOffMs * 2 ** (this.#taken.length - 1), holdOffMaxMs);
    if (last !== undefined && nowMs - last.atMs < holdOffMs) return false;
    this.#taken = [...this.#taken, { life, atMs: nowMs }];
    return true;
  }
}
