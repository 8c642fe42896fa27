import { electController, resignController } from "../../coordinator-client/controller-election.ts";
import { controllerPath } from "../../coordinator-client/znodes/paths.ts";
import { sleep, type Timer } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { SeenController } from "../cluster/seen-controller.ts";
import type { ControllerParts } from "./controller-term.ts";
import { type ControllerLife, isSameLife } from "./controller-vote.ts";
import type { Term } from "./fenced-writer.ts";

/** Pause before the next attempt, after an election or a resignation whose outcome is unknown, or a term that failed. */
const retryPauseMs = 250;
/**
 * How long `/controller` is held while the disk takes its epoch. Doubled each time in a row, up to the greatest: where all disks are that
 * slow, some broker must become controller all the same.
 */
const noteWaitMinMs = 5_000;
const noteWaitMaxMs = 60_000;

export interface CandidacyParts extends Pick<ControllerParts, "brokerId" | "coordinator" | "clock" | "log"> {
  readonly seen: Pick<SeenController, "controllerEpoch" | "note">;
}

/** What standing for election leads to. */
export interface CandidacyEvents {
  /** This broker holds `/controller`, in a term that it has not begun yet; its disk has the epoch. */
  won(term: Term): void;
  /** Another broker holds it, or it is unknown which one: a term of ours is over. */
  lost(): void;
}

/**
 * Stands for election whenever nobody is the controller. Between two terms of this broker `/controller` is released, so that no two terms
 * have the same epoch.
 */
export class Candidacy {
  readonly #parts: CandidacyParts;
  /** Only a registered broker may be elected. */
  readonly #isEligible: () => boolean;
  readonly #events: CandidacyEvents;
  /** The term that `won` was called for and that is not over. */
  #term: Term | null = null;
  /** A term that is over while its `/controller` may still be there, in our own session. */
  #resigning: Term | null = null;
  #holder: BrokerId | null = null;
  /** The holder to be replaced by the next attempt. */
  #unreachable: ControllerLife | null = null;
  /** As logged; until there is another controller. */
  #toldUnreachable: ControllerLife | null = null;
  #isElecting = false;
  #electAgain = false;
  #retry: Timer | null = null;
  #noteWaitMs = noteWaitMinMs;
  /** The disk has not taken the epoch of an election that was won, and `/controller` was released for that. */
  #isDiskStalled = false;
  /** Why the outcome of the last election was unknown, as logged. */
  #unsettledReason: string | null = null;
  #isClosed = false;

  constructor(parts: CandidacyParts, isEligible: () => boolean, events: CandidacyEvents) {
    this.#parts = parts;
    this.#isEligible = isEligible;
    this.#events = events;
  }

  /** Who holds `/controller`, as seen last; null: nobody, or not known. */
  get holder(): BrokerId | null {
    return this.#holder;
  }

  /** Something that decides about candidacy may have changed: the holder, the session, our own registration. */
  consider(): void {
    if (this.#isElecting) this.#electAgain = true;
    else void this.#elect();
  }

  /** A majority of the brokers cannot reach the holder: takes its place. */
  replace(controller: ControllerLife): void {
    // said a few times a second for as long as it lasts
    if (!isSameLife(this.#toldUnreachable, controller))
      this.#parts.log.warn({ controllerId: controller.brokerId }, "a majority of the brokers cannot reach the controller: replacing it");
    this.#toldUnreachable = controller;
    this.#unreachable = controller;
    this.consider();
  }

  /** The session is over, and `/controller` gone with it, if it was ours. */
  sessionEnded(): void {
    this.#holder = null;
    this.#endTerm();
  }

  /** Our registration is gone, with or without the session. */
  registrationLost(): void {
    this.#resigning = this.#term ?? this.#resigning;
    this.#endTerm();
  }

  /** The present term cannot continue: after a pause there is another, ours or another broker's. */
  resign(): void {
    this.registrationLost();
    this.#later();
  }

  /** Does not stand again. The coordinator's `close` releases `/controller`. */
  stop(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#endTerm();
  }

  async #elect(): Promise<void> {
    this.#isElecting = true;
    do {
      this.#electAgain = false;
      // what cannot be done now may be wrong by the time it can: the brokers will say so again, if it is still true
      const unreachable = this.#unreachable;
      this.#unreachable = null;
      if (this.#isClosed || this.#parts.coordinator.state !== "connected" || !this.#isEligible()) continue;
      const settled = await this.#electOnce(unreachable).catch((error) => {
        if (error instanceof InvariantViolation) throw error;
        this.#parts.log.warn({ err: error }, "the election failed");
        return false;
      });
      if (!settled) this.#later();
    } while (this.#electAgain);
    this.#isElecting = false;
  }

  /** False: try again after a pause. */
  async #electOnce(unreachable: ControllerLife | null): Promise<boolean> {
    const { coordinator, brokerId, clock, log, seen } = this.#parts;
    if (this.#resigning !== null && !(await this.#release(this.#resigning))) return false;
    // the others' turn; which of them has won is not known yet
    if (this.#isDiskStalled && (await coordinator.read(controllerPath)) === null) return true;
    const result = await electController({ coordinator, brokerId, nowMs: clock.nowMs(), seenEpoch: seen.controllerEpoch, unreachable });
    // before anything is done in the name of this epoch: see `SeenController`
    const isNoted = result.kind !== "won" || (await this.#note(result.controllerEpoch));
    if (this.#isClosed) return true;
    switch (result.kind) {
      case "unknown":
        this.#tellUnsettled(result.error);
        return false;
      case "lost":
        this.#unsettledReason = null;
        if (result.holder !== this.#holder) {
          this.#toldUnreachable = null;
          log.info({ controllerId: result.holder }, "the controller is another broker");
        }
        this.#holder = result.holder;
        // another holds it, so ours is gone: nothing to release
        this.#endTerm();
        return true;
      case "won":
        this.#unsettledReason = null;
        // the session may have ended, or a term resigned, while the answer was on its way
        if (coordinator.sessionNumber !== result.sessionNumber || coordinator.state === "lost") return false;
        if (!isNoted) {
          this.#endTerm();
          this.#resigning = result;
          return this.#release(result);
        }
        if (this.#resigning !== null || !this.#isEligible()) return false;
        this.#holder = brokerId;
        if (this.#term?.controllerEpoch === result.controllerEpoch) return true;
        this.#endTerm();
        this.#begin(result);
        return true;
    }
  }

  /** A term that could not begin is none: else the next attempt would find it won, and nobody would control. */
  #begin(term: Term): void {
    this.#term = term;
    try {
      this.#events.won(term);
    } catch (error) {
      this.#term = null;
      throw error;
    }
  }

  /** Retried four times a second: each reason is logged once. */
  #tellUnsettled(error: Error): void {
    if (error.message === this.#unsettledReason) return;
    this.#unsettledReason = error.message;
    this.#parts.log.warn({ err: error }, "the outcome of an election cannot be told: trying again");
  }

  /**
   * False: another broker is to be the controller. Race: (1) this broker wins; (2) its disk stalls before it has the epoch, so the term may
   * not begin; (3) it holds `/controller`, and no other broker may begin one. So it waits for a while only, and stands again once its disk
   * is no longer stalled.
   */
  async #note(controllerEpoch: number): Promise<boolean> {
    const { clock, log, seen } = this.#parts;
    const waitMs = this.#noteWaitMs;
    const noted = seen.note(controllerEpoch);
    const settled = new AbortController();
    const late = sleep(clock, waitMs, settled.signal).then(() => false);
    const isNoted = await Promise.race([noted.then(() => true), late]).finally(() => settled.abort());
    if (isNoted) {
      this.#noteWaitMs = noteWaitMinMs;
      return true;
    }
    log.warn(
      { controllerEpoch, waitMs },
      "elected, but no log directory took the epoch in time: leaving it to the others until a disk goes on",
    );
    this.#noteWaitMs = Math.min(2 * waitMs, noteWaitMaxMs);
    this.#isDiskStalled = true;
    const goOn = () => {
      this.#isDiskStalled = false;
      this.consider();
    };
    void noted.then(goOn, (error: unknown) => {
      if (error instanceof InvariantViolation) throw error;
      goOn();
    });
    return false;
  }

  /** Deletes our own `/controller`, so that the next term, ours or another's, has a new epoch. True once that is settled. */
  async #release({ epochVersion, sessionNumber }: Term): Promise<boolean> {
    const { coordinator } = this.#parts;
    if (coordinator.sessionNumber === sessionNumber) {
      // the check makes sure that it is ours: a broker that replaced it has raised the epoch
      const result = await resignController(coordinator, { epochVersion });
      if (result.kind === "unknown") return false;
    }
    this.#resigning = null;
    return true;
  }

  #endTerm(): void {
    this.#term = null;
    this.#events.lost();
  }

  #later(): void {
    this.#retry?.cancel();
    if (!this.#isClosed) this.#retry = this.#parts.clock.schedule(retryPauseMs, () => this.consider());
  }
}
