import type { Clock } from "../../protocol/base/clock.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { isWorthTelling } from "../../protocol/base/worth-telling.ts";
import { isRetriable, type KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { createTopicsRequest, createTopicsResponse } from "../../protocol/messages/create-topics.ts";
import { encodeWhole } from "../../protocol/schema/message.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import type { ControllerService, TopicCreation, Verdict } from "../controller/controller-service.ts";
import type { Forwarder } from "./forwarding.ts";

/** A topic that this broker wants to be there. -1, and settings that are left out: the cluster's defaults. */
export type NewTopic = Pick<TopicCreation, "name" | "numPartitions" | "replicationFactor" | "configs">;

/** Creates topics for this broker itself: those that its clients mention, and those that brokers keep their own state in. */
export interface TopicMaker {
  /**
   * What became of each, in the order asked: NONE, and the topic is in the coordinator; TOPIC_ALREADY_EXISTS; the controller's refusal;
   * REQUEST_TIMED_OUT or NOT_CONTROLLER when no controller could be asked in time. Takes half a minute and the time to find a controller at
   * most. Rejects when another broker's answer cannot be read.
   */
  make(topics: readonly NewTopic[]): Promise<readonly Verdict[]>;
}

/** How long one creation may take; clients ask again meanwhile. */
const creationTimeoutMs = 30_000;

const apiVersion = createTopicsRequest.versions[1];

export interface TopicMakerParts {
  readonly controller: Pick<ControllerService, "isController" | "createTopics">;
  readonly forwarder: Forwarder;
  /** Aborts when the broker stops. */
  readonly signal: AbortSignal;
}

/** Asks the controller: in this process where it is this broker, and with a CreateTopics request where it is another. */
export function topicMaker({ controller, forwarder, signal }: TopicMakerParts): TopicMaker {
  const options = { timeoutMs: creationTimeoutMs, validateOnly: false };
  const makeHere = (topics: readonly PlacedAnywhere[]) => controller.createTopics(topics, options);
  const makeThere = async (topics: readonly PlacedAnywhere[]): Promise<readonly Verdict[]> => {
    const body = encodeWhole(createTopicsRequest, { topics, ...options }, apiVersion);
    const forwarded = await forwarder.forward(createTopicsRequest.apiKey, body, { apiVersion, clientId: null, listener: "", signal });
    if (forwarded.kind === "serve-here") return makeHere(topics);
    if (forwarded.kind === "failed") return topics.map(() => ({ error: forwarded.error, message: forwarded.message }));
    const answers = createTopicsResponse.read(new Reader(forwarded.body), apiVersion).topics;
    return topics.map(({ name }) => {
      const answer = answers.find((one) => one.name === name);
      if (answer === undefined) return { error: "UNKNOWN_SERVER_ERROR", message: "the controller's answer does not mention the topic" };
      return { error: answer.errorCode, message: answer.errorMessage };
    });
  };
  return {
    async make(topics) {
      invariant(new Set(topics.map(({ name }) => name)).size === topics.length, "a topic is asked for once");
      const placed = topics.map((topic): PlacedAnywhere => ({ ...topic, assignments: [] }));
      return controller.isController ? makeHere(placed) : makeThere(placed);
    },
  };
}

/** The controller chooses the brokers. */
type PlacedAnywhere = NewTopic & { readonly assignments: readonly [] };

/** Topics of which the failures are counted. */
const failuresMax = 1_000;
/** After this long without an attempt, why the last one failed may not hold any more. */
const refusalKeptMs = 10_000;

/** How the broker's log tells what became of a topic. */
export interface MakingWords {
  readonly made: string;
  readonly notMade: string;
}

/** Why the controller did not make a topic, where asking it again would not help unless something changes. */
export interface Refusal {
  readonly error: KafkaError;
  readonly message: string | null;
}

/** Another attempt is under way after a refusal too: what was missing may be there by now. `not-begun`: too much is under way. */
export type Beginning = "begun" | "not-begun" | Refusal;

interface Failing {
  readonly failures: number;
  readonly refusal: Refusal | null;
  /** Monotonic. */
  readonly atMs: number;
  /** Brokers that could get replicas then. */
  readonly live: number;
}

export interface PendingTopicsParts {
  readonly maker: TopicMaker;
  readonly log: Logger;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly images: Pick<ImageSource, "current">;
  readonly words: MakingWords;
  /** Topics at a time; beyond it a name waits for the next time that somebody asks for it. */
  readonly max: number;
}

/** Topics being made while nobody waits for it: each once at a time, with a line in the log when it is over. */
export class PendingTopics {
  readonly #parts: PendingTopicsParts;
  readonly #names = new Set<string>();
  /** Those that could not be made, and how often in a row; the oldest are forgotten. */
  readonly #failing = new Map<string, Failing>();

  constructor(parts: PendingTopicsParts) {
    this.#parts = parts;
  }

  /** Begins to make the topic, unless that is under way. Whoever asks again is told why the attempt before failed. */
  begin(topic: NewTopic): Beginning {
    const { name } = topic;
    if (!this.#names.has(name)) {
      if (this.#names.size >= this.#parts.max) return "not-begun";
      this.#names.add(name);
      void this.#make(topic)
        .catch((error: unknown) => {
          if (error instanceof InvariantViolation) throw error;
          this.#failed(name, null, { err: error });
        })
        .finally(() => this.#names.delete(name));
    }
    return this.#recentRefusal(name) ?? "begun";
  }

  /** To some clients it is final: it must not be told of brokers that are back. */
  #recentRefusal(name: string): Refusal | null {
    const failing = this.#failing.get(name);
    if (failing === undefined || failing.live !== this.#live) return null;
    return this.#parts.clock.monotonicMs() - failing.atMs > refusalKeptMs ? null : failing.refusal;
  }

  get #live(): number {
    const { brokers, leavingBrokers } = this.#parts.images.current;
    return brokers.size - leavingBrokers.size;
  }

  async #make(topic: NewTopic): Promise<void> {
    const { maker, log, words } = this.#parts;
    const { name, replicationFactor } = topic;
    const copies = replicationFactor > 0 ? { copies: replicationFactor } : {};
    for (const { error, message } of await maker.make([topic])) {
      if (error === "NONE" || error === "TOPIC_ALREADY_EXISTS") this.#failing.delete(name);
      else this.#failed(name, isRetriable(error) ? null : { error, message }, { error, reason: message });
      if (error === "NONE") log.info({ topic: name, ...copies }, words.made);
    }
  }

  /** A client that waits for a topic asks for it several times a second, for as long as it cannot be made. */
  #failed(topic: string, refusal: Refusal | null, why: object): void {
    const { clock, log, words } = this.#parts;
    const failures = (this.#failing.get(topic)?.failures ?? 0) + 1;
    this.#failing.delete(topic);
    this.#failing.set(topic, { failures, refusal, atMs: clock.monotonicMs(), live: this.#live });
    const [oldest] = this.#failing.keys();
    if (this.#failing.size > failuresMax && oldest !== undefined) this.#failing.delete(oldest);
    if (isWorthTelling(failures)) log.warn({ topic, ...why, failures }, words.notMade);
  }
}
