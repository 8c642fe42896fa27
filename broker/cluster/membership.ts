import { type Coordinator, CoordinatorUnavailable, type SessionState } from "../../coordinator-client/coordinator.ts";
import { registerBroker } from "../../coordinator-client/registration.ts";
import type { BrokerRegistration } from "../../coordinator-client/znodes/broker-registration.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";

export interface MembershipParts {
  readonly coordinator: Coordinator;
  readonly brokerId: BrokerId;
  /** Made anew for each registration: it holds the time. `incarnation`: the data directory's id. */
  readonly registration: () => BrokerRegistration & { readonly incarnation: string };
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: MembershipEvents;
}

export interface MembershipEvents {
  /** A new life in the cluster begins; the controller will send a full update for this epoch. */
  registered(brokerEpoch: number): void;
  /** The session is lost, and the registration with it: stop leading and following, at once. */
  lost(): void;
  /** Another broker holds our id, or the registration cannot be read: waiting does not help. */
  failed(error: Error): void;
}

const retryPauseMs = 200;

/** Keeps this broker registered: once per session, with a new epoch each time. */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #abort = new AbortController();
  #epoch = -1;
  /** Session that a registration was begun for; nothing is done twice in one session. */
  #sessionNumber = 0;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
  }

  /** Our registration's epoch; -1 while there is none. */
  get epoch(): number {
    return this.#epoch;
  }

  start(): void {
    const { coordinator } = this.#parts;
    coordinator.onState((state, sessionNumber) => this.#stateChanged(state, sessionNumber));
    this.#stateChanged(coordinator.state, coordinator.sessionNumber);
  }

  /** No further registration. The present one ends with the coordinator's `close`. */
  stop(): void {
    this.#abort.abort(new Error("the broker is stopping"));
  }

  #stateChanged(state: SessionState, sessionNumber: number): void {
    const isStopping = this.#abort.signal.aborted;
    // Race (I8): (1) this broker stops, and still leads what nobody could take over; (2) the session is lost while the last requests are served; (3) the next session proves itself, and
    // would prove a registration that is gone. So a loss counts while stopping, too; our own `close` then comes as the end of everything.
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
    if (wasRegistered) this.#parts.events.lost();
  }

  async #register(sessionNumber: number): Promise<void> {
    const { coordinator, brokerId, registration, clock, log, events } = this.#parts;
    const { signal } = this.#abort;
    const isCurrent = () => !signal.aborted && coordinator.sessionNumber === sessionNumber && coordinator.state !== "lost";
    const wanted = registration();
    while (isCurrent()) {
      try {
        const result = await registerBroker(coordinator, brokerId, wanted);
        if (!isCurrent() || result.sessionNumber !== sessionNumber) return;
        this.#epoch = result.brokerEpoch;
        log.info({ brokerEpoch: result.brokerEpoch, sessionNumber }, "registered");
        return events.registered(result.brokerEpoch);
      } catch (error) {
        if (error instanceof InvariantViolation) throw error;
        if (!isCurrent()) return;
        if (!(error instanceof CoordinatorUnavailable)) return events.failed(error instanceof Error ? error : new Error(String(error)));
        log.warn({ err: error }, "registration did not succeed, trying again");
        await sleep(clock, retryPauseMs, signal).catch(() => undefined);
      }
    }
  }
}
