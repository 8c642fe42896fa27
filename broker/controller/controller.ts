import { CoordinatorUnavailable } from "../../coordinator-client/coordinator.ts";
import { controllerPath } from "../../coordinator-client/znodes/paths.ts";
import { type BrokerId, zeroTopicId } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type {
  ControlledShutdownRequest,
  ControlledShutdownResponse,
  IsrChangedRequest,
  PeerStatus,
  ReplicasOfflineRequest,
} from "../../protocol/peer/messages.ts";

import { Candidacy, type CandidacyParts } from "./candidacy.ts";
import type { ConfigChange, ControllerService, Verdict } from "./controller-service.ts";
import { type ControllerParts, ControllerTerm } from "./controller-term.ts";
import type { ControllerLife } from "./controller-vote.ts";
import { EventRefused } from "./event-queue.ts";
import { Deposed, type Term } from "./fenced-writer.ts";

/**
 * This broker's part in being the controller: serves while it holds `/controller`, and drops everything the moment it does not. Terms share
 * nothing.
 */
export class Controller implements ControllerService {
  readonly #parts: ControllerParts;
  readonly #candidacy: Candidacy;
  readonly #unsubscribe: (() => void)[] = [];
  #term: ControllerTerm | null = null;

  /** `isEligible`: only a registered broker may be elected. */
  constructor(parts: ControllerParts & CandidacyParts, isEligible: () => boolean) {
    this.#parts = parts;
    this.#candidacy = new Candidacy(parts, isEligible, { won: (term) => this.#begin(term), lost: () => this.#endTerm() });
  }

  start(): void {
    const { coordinator } = this.#parts;
    this.#unsubscribe.push(
      coordinator.onState((state) => {
        if (state === "lost" || state === "closed") this.#candidacy.sessionEnded();
        else if (state === "connected") this.consider();
      }),
      coordinator.watch(controllerPath, "node", () => this.consider()),
    );
    this.consider();
  }

  /** Stops the term; the coordinator's `close` releases `/controller`. */
  stop(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#candidacy.stop();
  }

  /** Our registration is gone, with or without the session. */
  registrationLost(): void {
    this.#candidacy.registrationLost();
  }

  get isController(): boolean {
    return this.#term !== null;
  }

  /** Who holds `/controller`, as seen last; null: nobody, or not known. */
  get holder(): BrokerId | null {
    return this.#candidacy.holder;
  }

  /** Something that decides about candidacy may have changed: the holder, the session, our own registration. */
  consider(): void {
    this.#candidacy.consider();
  }

  /** A majority of the brokers cannot reach the holder. */
  replace(controller: ControllerLife): void {
    this.#candidacy.replace(controller);
  }

  #begin({ controllerEpoch, epochVersion, sessionNumber }: Term): void {
    const term: ControllerTerm = new ControllerTerm({ controllerEpoch, epochVersion, sessionNumber }, this.#parts, (reason) => {
      if (this.#term !== term) return;
      this.#parts.log.warn({ err: reason, controllerEpoch }, "resigning as controller");
      this.#candidacy.resign();
    });
    invariant(this.#term === null, "one term at a time", () => ({ controllerEpoch }));
    this.#term = term;
    this.#parts.log.info({ controllerEpoch }, "elected controller");
    term.start();
  }

  #endTerm(): void {
    this.#term?.stop();
    this.#term = null;
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

  alterPartitionReassignments: ControllerService["alterPartitionReassignments"] = (wanted, { timeoutMs, mayChangeReplicationFactor }) =>
    this.#serve(
      timeoutMs,
      (term) => term.alterReassignments(wanted, mayChangeReplicationFactor),
      (verdict) => wanted.map(({ topic, partition }) => ({ topic, partition, ...verdict })),
    );

  listPartitionReassignments: ControllerService["listPartitionReassignments"] = (partitions, timeoutMs) =>
    this.#serve(
      timeoutMs,
      async (term) => ({ ...done, reassignments: term.reassigner.list(partitions) }),
      (verdict) => ({ ...verdict, reassignments: [] }),
    );

  alterConfigs: ControllerService["alterConfigs"] = (changes: readonly ConfigChange[], options) =>
    this.#serve(
      options.timeoutMs,
      (term) => term.alterConfigs(changes, options.validateOnly),
      (verdict) => changes.map(() => verdict),
    );

  updateFeatures: ControllerService["updateFeatures"] = (updates, { timeoutMs, validateOnly }) =>
    this.#serve(
      timeoutMs,
      (term) => term.features.update(updates, validateOnly),
      (verdict) => verdict,
    );

  // What other brokers (and this one) say to the controller

  controlledShutdown(request: ControlledShutdownRequest): Promise<ControlledShutdownResponse> {
    return this.#serve(
      0,
      (term) => term.controlledShutdown(request),
      ({ error, message }) => ({ error, message: message ?? "", remaining: [], mayMoveLater: false }),
      "direct",
    );
  }

  isrChanged(request: IsrChangedRequest): Promise<PeerStatus> {
    return this.#told((term) => term.isrChanged(request));
  }

  replicasOffline(request: ReplicasOfflineRequest): Promise<PeerStatus> {
    return this.#told((term) => term.replicasOffline(request));
  }

  /** For brokers that report something and want to know whether it was accepted. */
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

const done: Verdict = { error: "NONE", message: null };

function refusal(error: unknown): KafkaErrorCode {
  if (error instanceof Deposed) return "NOT_CONTROLLER";
  if (error instanceof EventRefused) return error.reason === "closed" ? "NOT_CONTROLLER" : "REQUEST_TIMED_OUT";
  // it did not answer: the next term finds out how much was done, and clients ask again
  if (error instanceof CoordinatorUnavailable) return "REQUEST_TIMED_OUT";
  // it holds what cannot be read
  return "UNKNOWN_SERVER_ERROR";
}
