import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { isWorthTelling } from "../../protocol/base/worth-telling.ts";
import { createTopicsRequest, createTopicsResponse } from "../../protocol/messages/create-topics.ts";
import { encodeWhole } from "../../protocol/schema/message.ts";
import { Reader } from "../../protocol/wire/reader.ts";
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

/** How the broker's log tells what became of a topic. */
export interface MakingWords {
  readonly made: string;
  readonly notMade: string;
}

/** Topics being made while nobody waits for it: each once at a time, with a line in the log when it is over. */
export class PendingTopics {
  readonly #maker: TopicMaker;
  readonly #log: Logger;
  readonly #words: MakingWords;
  readonly #max: number;
  readonly #names = new Set<string>();
  /** How often each could not be made, in a row; the oldest are forgotten. */
  readonly #failures = new Map<string, number>();

  /** `max`: topics at a time; beyond it a name waits for the next time that somebody asks for it. */
  constructor(maker: TopicMaker, log: Logger, words: MakingWords, max: number) {
    this.#maker = maker;
    this.#log = log;
    this.#words = words;
    this.#max = max;
  }

  /** Begins to make the topic, unless that is under way. False: too much is under way, not begun. */
  begin(topic: NewTopic): boolean {
    const { name } = topic;
    if (this.#names.has(name)) return true;
    if (this.#names.size >= this.#max) return false;
    this.#names.add(name);
    void this.#make(topic)
      .catch((error: unknown) => {
        if (error instanceof InvariantViolation) throw error;
        this.#failed(name, { err: error });
      })
      .finally(() => this.#names.delete(name));
    return true;
  }

  async #make(topic: NewTopic): Promise<void> {
    const { name, replicationFactor } = topic;
    const copies = replicationFactor > 0 ? { copies: replicationFactor } : {};
    for (const { error, message } of await this.#maker.make([topic])) {
      if (error === "NONE" || error === "TOPIC_ALREADY_EXISTS") this.#failures.delete(name);
      else this.#failed(name, { error, reason: message });
      if (error === "NONE") this.#log.info({ topic: name, ...copies }, this.#words.made);
    }
  }

  /** A client that waits for a topic asks for it several times a second, for as long as it cannot be made. */
  #failed(topic: string, why: object): void {
    const failures = (this.#failures.get(topic) ?? 0) + 1;
    this.#failures.delete(topic);
    this.#failures.set(topic, failures);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > failuresMax && oldest !== undefined) this.#failures.delete(oldest);
    if (isWorthTelling(failures)) this.#log.warn({ topic, ...why, failures }, this.#words.notMade);
  }
}
