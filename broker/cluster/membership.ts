import { type Coordinator, CoordinatorUnavailable, type Node, type SessionState } from "../../coordinator-client/coordinator.ts";
import { type CoordinatorVerdict, faultOf, judgeCoordinator, type KnownCluster } from "../../coordinator-client/known-cluster.ts";
import { BrokerIdTaken, registerBroker } from "../../coordinator-client/registration.ts";
import type { BrokerRegistration } from "../../coordinator-client/znodes/broker-registration.ts";
import { brokerPath } from "../../coordinator-client/znodes/paths.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";

export interface MembershipParts {
  readonly coordinator: Coordinator;
  readonly brokerId: BrokerId;
  /** What the coordinator must know for this broker to take part. */
  readonly known: KnownCluster;
  /** Built for each registration: it contains the time. `incarnation`: the data directory's id. */
  readonly registration: () => BrokerRegistration & { readonly incarnation: string };
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: MembershipEvents;
}

export interface MembershipEvents {
  /** A new registration begins; the controller will send a full update for this epoch. */
  registered(brokerEpoch: number): void;
  /** The session is lost, and the registration with it, or the registration alone: stop leading and following, at once. */
  lost(): void;
  /** Another broker holds our id, or the registration cannot be read: waiting does not help. */
  failed(error: Error): void;
}

const retryPauseMs = 200;
/** Between attempts to register, doubled each time up to this. */
const registerPauseMaxMs = 1_000;

/**
 * Keeps this broker registered, with a new epoch each time: once per session, and again in the same session when the registration was
 * removed. A coordinator that is not the one this broker knows gets no registration. What depends on the registration alone (the candidacy
 * for controller, producer ids) checks it in its own transactions, so none of it reaches such a coordinator.
 */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #abort = new AbortController();
  readonly #strange: StrangeCoordinator;
  #epoch = -1;
  /** Session that a registration was begun for; nothing is done twice in one session. */
  #sessionNumber = 0;
  #isLooking = false;
  #lookAgain = false;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.#strange = new StrangeCoordinator(parts);
  }

  /** Our registration's epoch; -1 while there is none. */
  get epoch(): number {
    return this.#epoch;
  }

  start(): void {
    const { coordinator, brokerId } = this.#parts;
    coordinator.onState((state, sessionNumber) => this.#stateChanged(state, sessionNumber));
    // also called at each reconnection: the session may live on in a coordinator that has lost what came after it
    coordinator.watch(brokerPath(brokerId), "node", () => void this.#look());
    this.#stateChanged(coordinator.state, coordinator.sessionNumber);
  }

  /** No further registration. The present one ends with the coordinator's `close`. */
  stop(): void {
    this.#abort.abort(new Error("the broker is stopping"));
  }

  #stateChanged(state: SessionState, sessionNumber: number): void {
    const isStopping = this.#abort.signal.aborted;
    // Race (I8): (1) this broker stops, and still leads what no other broker could take over; (2) the session is lost while the last
    // requests are served; (3) the next session proves itself, and would prove a registration that is gone. So a loss counts while
    // stopping, too; our own `close` then ends everything.
    if (state === "lost" || (state === "closed" && !isStopping)) return this.#lose();
    if (isStopping) return;
    if (state === "connected" && sessionNumber !== this.#sessionNumber) {
      // a session that follows another without `lost` in between would still be another
      if (this.#epoch >= 0) this.#lose();
      this.#sessionNumber = sessionNumber;
      void this.#register(sessionNumber);
    }
  }

  #lose(): void {
    const wasRegistered = this.#epoch >= 0;
    this.#epoch = -1;
    if (!wasRegistered) return;
    this.#parts.log.warn({}, "not registered in ZooKeeper any more: this broker refuses writes, and serves what is committed, until it is");
    this.#parts.events.lost();
  }

  async #register(sessionNumber: number): Promise<void> {
    const { coordinator, brokerId, known, registration, clock, log, events } = this.#parts;
    const { signal } = this.#abort;
    const isCurrent = () => !signal.aborted && coordinator.sessionNumber === sessionNumber && coordinator.state !== "lost";
    const wanted = registration();
    let pauseMs = retryPauseMs;
    let told = "";
    while (isCurrent()) {
      try {
        const verdict = await judgeCoordinator(coordinator, known);
        if (!isCurrent()) return;
        if (verdict.kind !== "ours") {
          await this.#strange.wait(verdict, signal);
          continue;
        }
        this.#strange.isKnown();
        const result = await registerBroker(coordinator, brokerId, wanted, verdict.guard);
        if (!isCurrent() || result.sessionNumber !== sessionNumber) return;
        invariant(this.#epoch < 0, "one registration at a time", () => ({ known: this.#epoch, brokerEpoch: result.brokerEpoch }));
        this.#epoch = result.brokerEpoch;
        log.info({ brokerEpoch: result.brokerEpoch, sessionNumber }, "registered");
        events.registered(result.brokerEpoch);
        // it may have been removed before it was checked
        return void this.#look();
      } catch (error) {
        if (error instanceof InvariantViolation) throw error;
        if (!isCurrent()) return;
        if (!(error instanceof CoordinatorUnavailable)) return events.failed(error instanceof Error ? error : new Error(String(error)));
        // once for each reason: a coordinator may be away for long
        if (error.message !== told) log.warn({ reason: error.message }, "registration did not succeed, trying again");
        told = error.message;
        await sleep(clock, pauseMs, signal).catch(() => undefined);
        pauseMs = Math.min(2 * pauseMs, registerPauseMaxMs);
        await coordinator.connected(signal).catch(() => undefined);
      }
    }
  }

  /**
   * Checks whether the registration is still there, and the coordinator still the one we know. One check at a time; one requested meanwhile
   * follows.
   */
  async #look(): Promise<void> {
    const { coordinator, clock } = this.#parts;
    this.#lookAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (this.#lookAgain) {
      this.#lookAgain = false;
      if (await this.#lookOnce()) continue;
      await sleep(clock, retryPauseMs, this.#abort.signal).catch(() => undefined);
      // otherwise the next reconnection checks
      if (coordinator.state === "connected") this.#lookAgain = true;
    }
    this.#isLooking = false;
  }

  /** False: not known now. */
  async #lookOnce(): Promise<boolean> {
    const { coordinator, brokerId, known, log, events } = this.#parts;
    const epoch = this.#epoch;
    const sessionNumber = this.#sessionNumber;
    if (epoch < 0 || this.#abort.signal.aborted) return true;
    try {
      const verdict = await judgeCoordinator(coordinator, known);
      const node = await coordinator.read(brokerPath(brokerId));
      if (this.#epoch !== epoch || this.#abort.signal.aborted) return true;
      const isThere = node?.ownedByUs === true && node.createdZxid === epoch;
      if (verdict.kind === "ours" && isThere) return true;
      if (verdict.kind === "ours" && node !== null && !node.ownedByUs) {
        this.#lose();
        events.failed(replaced(brokerId, node));
        return true;
      }
      if (verdict.kind === "ours") log.warn({ brokerEpoch: epoch }, "the registration was taken away: registering again");
      this.#lose();
      void this.#register(sessionNumber);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      if (error instanceof CoordinatorUnavailable) return false;
      events.failed(error instanceof Error ? error : new Error(String(error)));
    }
    return true;
  }
}

/** Two brokers that keep replacing each other would serve nobody: the one that was replaced stops. */
function replaced(brokerId: BrokerId, { ephemeralOwner }: Node): BrokerIdTaken {
  return new BrokerIdTaken(
    `the registration of broker ${brokerId} was replaced by another process (session ${ephemeralOwner}): two brokers run with one broker.id, or on copies of one data directory. Stop one of them`,
  );
}

export interface StrangeCoordinatorParts {
  readonly known: KnownCluster;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with what is logged, for the operator who started this broker. */
  readonly said?: (words: string) => void;
}

const pauseMinMs = 500;
/** A coordinator that is repaired, from a backup or by `ottla cluster recover`, is noticed within this time. */
const pauseMaxMs = 10_000;
const sayAgainAfterMs = 10 * 60_000;
const meanwhile = " Until then this broker serves nobody and removes nothing; it looks again by itself.";

/**
 * Waits, a little longer each time, while the coordinator is not the one this broker knows, and logs it: at once, when the reason changes,
 * and then rarely. No client is served meanwhile.
 */
export class StrangeCoordinator {
  readonly #parts: StrangeCoordinatorParts;
  #said: { readonly fault: string; readonly atMs: number } | null = null;
  #pauseMs = pauseMinMs;

  constructor(parts: StrangeCoordinatorParts) {
    this.#parts = parts;
  }

  async wait(verdict: Exclude<CoordinatorVerdict, { kind: "ours" }>, signal?: AbortSignal): Promise<void> {
    const { known, clock, log, said } = this.#parts;
    const fault = faultOf(verdict, known);
    const nowMs = clock.monotonicMs();
    if (this.#said === null || this.#said.fault !== fault || nowMs - this.#said.atMs >= sayAgainAfterMs) {
      this.#said = { fault, atMs: nowMs };
      log.error(
        { ...verdict, known: { clusterId: known.clusterId, controllerEpoch: known.controllerEpoch } },
        `not joining: ${fault}${meanwhile}`,
      );
      said?.(`not joining: ${fault}${meanwhile}`);
    }
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(pauseMs * 2, pauseMaxMs);
    await sleep(clock, pauseMs, signal).catch(() => undefined);
  }

  /** It is the right one (again). */
  isKnown(): void {
    if (this.#said !== null) this.#parts.log.warn({}, "ZooKeeper is the one that this broker knows again: it goes on");
    this.#said = null;
    this.#pauseMs = pauseMinMs;
  }
}
