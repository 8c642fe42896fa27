import { electController } from "../../coordinator-client/election.ts";
import { controllerEpochPath, controllerPath } from "../../coordinator-client/znodes/paths.ts";
import { sleep, type Timer } from "../../protocol/base/clock.ts";
import { type BrokerId, zeroTopicId } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { PeerStatus } from "../../protocol/peer/messages.ts";
import type { PeerHandlers } from "../runtime/peer-port.ts";
import type { ConfigChange, ControllerService, Verdict } from "./controller-service.ts";
import { type ControllerParts, ControllerTerm } from "./controller-term.ts";
import { EventRefused } from "./event-queue.ts";
import { Deposed, type Term } from "./fenced-writer.ts";

/** Pause before the next attempt, after an election or a resignation whose outcome could not be told, or a term that failed. */
const retryPauseMs = 250;
/**
 * How long `/controller` is held while the disk takes its epoch. Doubled each time in a row, up to the greatest: where all disks are that
 * slow, somebody must become controller all the same.
 */
const noteWaitMinMs = 5_000;
const noteWaitMaxMs = 60_000;

/**
 * This broker's part in being the controller: stands for election whenever nobody is, serves while it holds `/controller`, and drops
 * everything the moment it does not. Terms share nothing.
 */
export class Controller implements ControllerService {
  readonly #parts: ControllerParts;
  /** Only a registered broker may be elected. */
  readonly #isEligible: () => boolean;
  readonly #unsubscribe: (() => void)[] = [];
  #term: ControllerTerm | null = null;
  /** A term that is over while its `/controller` may still be there, in our own session. */
  #resigning: Term | null = null;
  #holder: BrokerId | null = null;
  #isElecting = false;
  #electAgain = false;
  #retry: Timer | null = null;
  #noteWaitMs = noteWaitMinMs;
  /** The disk has not taken the epoch of an election that was won, and given up for that. */
  #isDiskStalled = false;
  /** Why the last election could not be told, as logged. */
  #unsettledReason: string | null = null;
  #isClosed = false;

  constructor(parts: ControllerParts, isEligible: () => boolean) {
    this.#parts = parts;
    this.#isEligible = isEligible;
  }

  start(): void {
    const { coordinator } = this.#parts;
    this.#unsubscribe.push(
      coordinator.onState((state) => {
        if (state === "lost" || state === "closed") this.#sessionEnded();
        else if (state === "connected") this.consider();
      }),
      coordinator.watch(controllerPath, "node", () => this.consider()),
    );
    this.consider();
  }

  /** Stops the term; the coordinator's `close` gives up `/controller`. */
  stop(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#endTerm();
  }

  /** Our registration is gone, with or without the session. */
  registrationLost(): void {
    this.#resigning = this.#term?.term ?? this.#resigning;
    this.#endTerm();
  }

  get isController(): boolean {
    return this.#term !== null;
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

  async #elect(): Promise<void> {
    this.#isElecting = true;
    do {
      this.#electAgain = false;
      if (this.#isClosed || this.#parts.coordinator.state !== "connected" || !this.#isEligible()) continue;
      const settled = await this.#electOnce().catch((error) => {
        if (error instanceof InvariantViolation) throw error;
        this.#parts.log.warn({ err: error }, "the election failed");
        return false;
      });
      if (!settled) this.#later();
    } while (this.#electAgain);
    this.#isElecting = false;
  }

  /** False: try again after a pause. */
  async #electOnce(): Promise<boolean> {
    const { coordinator, brokerId, clock, log, seen } = this.#parts;
    if (this.#resigning !== null && !(await this.#giveUp(this.#resigning))) return false;
    // the others' turn; who of them has won is still to be known
    if (this.#isDiskStalled && (await coordinator.read(controllerPath)) === null) return true;
    const result = await electController({ coordinator, brokerId, nowMs: clock.nowMs(), seenEpoch: seen.controllerEpoch });
    // before anything is done in the name of this epoch: see `SeenController`
    const isNoted = result.kind !== "won" || (await this.#note(result.controllerEpoch));
    if (this.#isClosed) return true;
    switch (result.kind) {
      case "unknown":
        this.#tellUnsettled(result.error);
        return false;
      case "lost":
        this.#unsettledReason = null;
        if (result.holder !== this.#holder) log.info({ controllerId: result.holder }, "the controller is another broker");
        this.#holder = result.holder;
        // another holds it, so ours is gone: nothing to give up
        this.#endTerm();
        return true;
      case "won":
        this.#unsettledReason = null;
        // the session may have ended, or a term been given up, while the answer was on its way
        if (coordinator.sessionNumber !== result.sessionNumber || coordinator.state === "lost") return false;
        if (!isNoted) {
          this.#endTerm();
          this.#resigning = result;
          return this.#giveUp(result);
        }
        if (this.#resigning !== null || !this.#isEligible()) return false;
        this.#holder = brokerId;
        if (this.#term?.term.controllerEpoch === result.controllerEpoch) return true;
        this.#endTerm();
        this.#begin(result);
        return true;
    }
  }

  /** Tried again four times a second: each reason is told once. */
  #tellUnsettled(error: Error): void {
    if (error.message === this.#unsettledReason) return;
    this.#unsettledReason = error.message;
    this.#parts.log.warn({ err: error }, "the outcome of an election cannot be told: trying again");
  }

  /**
   * False: another broker is to be the controller. Race: (1) this broker wins; (2) its disk stalls before it has the epoch, so the term may
   * not begin; (3) it holds `/controller`, and nobody else may begin one. So it waits for a while only, and stands again once its disk goes
   * on.
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

  #begin({ controllerEpoch, epochVersion, sessionNumber }: Term): void {
    const term: ControllerTerm = new ControllerTerm({ controllerEpoch, epochVersion, sessionNumber }, this.#parts, (reason) => {
      if (this.#term !== term) return;
      this.#parts.log.warn({ err: reason, controllerEpoch }, "resigning as controller");
      this.#endTerm();
      this.#resigning = term.term;
      this.#later();
    });
    invariant(this.#term === null, "one term at a time", () => ({ controllerEpoch }));
    this.#term = term;
    this.#parts.log.info({ controllerEpoch }, "elected controller");
    term.start();
  }

  /** Deletes our own `/controller`, so that the next term, ours or another's, has a new epoch. True once that is settled. */
  async #giveUp({ epochVersion, sessionNumber }: Term): Promise<boolean> {
    const { coordinator } = this.#parts;
    if (coordinator.sessionNumber === sessionNumber) {
      // the check makes sure that it is ours: whoever replaced it has raised the epoch
      const result = await coordinator.write([
        { kind: "check", path: controllerEpochPath, version: epochVersion },
        { kind: "delete", path: controllerPath, version: -1 },
      ]);
      if (result.kind === "unknown") return false;
    }
    this.#resigning = null;
    return true;
  }

  #sessionEnded(): void {
    this.#holder = null;
    this.#endTerm();
  }

  #endTerm(): void {
    this.#term?.stop();
    this.#term = null;
  }

  #later(): void {
    this.#retry?.cancel();
    if (!this.#isClosed) this.#retry = this.#parts.clock.schedule(retryPauseMs, () => this.consider());
  }

  // What is asked of the controller

  createTopics: ControllerService["createTopics"] = (topics, options) =>
    this.#serve(
      options.timeoutMs,
      (term) => term.admin.createTopics(topics, options),
      (verdict) => topics.map(({ name }) => ({ name, topicId: zeroTopicId, numPartitions: -1, replicationFactor: -1, ...verdict })),
    );

  deleteTopics: ControllerService["deleteTopics"] = (topics, options) =>
    this.#serve(
      options.timeoutMs,
      (term) => term.admin.deleteTopics(topics, options),
      (verdict) => topics.map(({ name, id }) => ({ name, id, ...verdict })),
    );

  createPartitions: ControllerService["createPartitions"] = (topics, options) =>
    this.#serve(
      options.timeoutMs,
      (term) => term.admin.createPartitions(topics, options),
      (verdict) => topics.map(({ name }) => ({ name, ...verdict })),
    );

  electLeaders: ControllerService["electLeaders"] = (kind, partitions, options) =>
    this.#serve(
      options.timeoutMs,
      (term) => term.admin.electLeaders(kind, partitions, options),
      (verdict) => (partitions ?? []).map(({ topic, partition }) => ({ topic, partition, ...verdict })),
    );

  alterConfigs: ControllerService["alterConfigs"] = (changes: readonly ConfigChange[], options) =>
    this.#serve(
      options.timeoutMs,
      (term) => term.alterConfigs(changes, options.validateOnly),
      (verdict) => changes.map(() => verdict),
    );

  // What other brokers (and this one) say to the controller

  readonly peerHandlers: Pick<PeerHandlers, "controlled-shutdown" | "isr-changed" | "replicas-offline"> = {
    "controlled-shutdown": async (request) => ({
      body: await this.#serve(
        0,
        (term) => term.controlledShutdown(request),
        ({ error, message }) => ({ error, message: message ?? "", remaining: [], mayMoveLater: false }),
        "direct",
      ),
    }),
    "isr-changed": async (request) => ({ body: await this.#told((term) => term.isrChanged(request)) }),
    "replicas-offline": async (request) => ({ body: await this.#told((term) => term.replicasOffline(request)) }),
  };

  /** For brokers that tell something and want to know whether it was taken. */
  #told(run: (term: ControllerTerm) => Promise<PeerStatus>): Promise<PeerStatus> {
    return this.#serve(0, run, ({ error, message }) => ({ error, message: message ?? "" }), "direct");
  }

  /** `event`: run as one event of the term. `direct`: it queues its own events. */
  async #serve<T>(
    timeoutMs: number,
    run: (term: ControllerTerm) => Promise<T>,
    refused: (verdict: Verdict) => T,
    how: "event" | "direct" = "event",
  ): Promise<T> {
    const term = this.#term;
    if (term === null) return refused({ error: "NOT_CONTROLLER", message: "This broker is not the controller." });
    try {
      return await (how === "event" ? term.request(timeoutMs, () => run(term)) : run(term));
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      return refused({ error: refusal(error), message: error instanceof Error ? error.message : String(error) });
    }
  }
}

function refusal(error: unknown): KafkaErrorCode {
  if (error instanceof Deposed) return "NOT_CONTROLLER";
  if (error instanceof EventRefused) return error.reason === "closed" ? "NOT_CONTROLLER" : "REQUEST_TIMED_OUT";
  // the coordinator did not answer, or holds what cannot be read: how much was done is for the next term to find out
  return "UNKNOWN_SERVER_ERROR";
}
