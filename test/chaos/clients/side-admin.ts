import { setTimeout as sleep } from "node:timers/promises";
import { Admin, type KafkaProtocolError, Producer } from "../../../client/index.ts";
import { type Random, seededRandom } from "../../../protocol/base/random.ts";
import type { AdminEvent } from "../history/events.ts";
import type { History } from "../history/history.ts";
import { recordValue } from "../history/value.ts";

export interface SideAdminPlace {
  readonly bootstrap: readonly string[];
  readonly history: History;
  readonly seed: number;
}

type Operation = AdminEvent["operation"];

interface SideTopic {
  name: string;
  incarnation: number;
  /** 0: there is none, as far as we know. */
  partitions: number;
}

const topics = 4;
const firstPartitions = 2;
const partitionsMax = 8;
const pauseMs = [300, 1_500] as const;
const operationTimeoutMs = 90_000;
const recordsOfATopic = 5;

/** Creates, grows, alters and deletes topics on the side, one change after the other, and writes a little to each. */
export class SideAdmin {
  readonly #place: SideAdminPlace;
  readonly #admin: Admin;
  readonly #producer: Producer;
  readonly #random: Random;
  readonly #topics: SideTopic[];
  #isStopped = false;
  #leftBehind = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(place: SideAdminPlace) {
    const { bootstrap, seed } = place;
    this.#place = place;
    this.#random = seededRandom(seed);
    this.#admin = new Admin({ bootstrap, clientId: "side-admin", operationTimeoutMs });
    this.#producer = new Producer({ bootstrap, clientId: "side-writer", deliveryTimeoutMs: 20_000, maxBlockMs: 20_000 });
    this.#topics = Array.from({ length: topics }, (_, at) => ({ name: `side-${at}`, incarnation: 0, partitions: 0 }));
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    await this.#producer.close();
    await this.#admin.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const topic = this.#topics[Math.floor(this.#random.next() * topics)];
      if (topic !== undefined) await this.#change(topic);
      await sleep(pauseMs[0] + this.#random.next() * (pauseMs[1] - pauseMs[0]));
    }
  }

  async #change(topic: SideTopic): Promise<void> {
    const { name } = topic;
    const choice = this.#random.next();
    if (topic.partitions === 0) {
      topic.incarnation++;
      const wanted = { name, partitions: firstPartitions, replicationFactor: 3 };
      const isDone = await this.#tell("create", topic, firstPartitions, () => this.#admin.createTopics([wanted]));
      if (isDone) await this.#write(topic);
    } else if (choice < 0.4) await this.#tell("delete", topic, 0, () => this.#admin.deleteTopics([name]));
    else if (choice < 0.6 && topic.partitions < partitionsMax) {
      const count = topic.partitions + 1;
      await this.#tell("add-partitions", topic, count, () => this.#admin.createPartitions([{ topic: name, count }]));
    } else {
      const changes = [{ name: "max.message.bytes", operation: "set", value: String(500_000 + Math.floor(choice * 1000)) } as const];
      await this.#tell("alter", topic, topic.partitions, () =>
        this.#admin.incrementalAlterConfigs([{ resource: { topic: name }, changes }]),
      );
    }
  }

  /** An error that is an answer to a repeated request, whose first answer was lost, counts as done: the client repeats by itself. */
  async #tell(
    operation: Operation,
    topic: SideTopic,
    partitions: number,
    ask: () => Promise<readonly { readonly error: KafkaProtocolError | null }[]>,
  ): Promise<boolean> {
    const { history } = this.#place;
    const [sentAt, { name, incarnation }] = [history.now(), topic];
    let failure: Error | null = null;
    try {
      failure = (await ask())[0]?.error ?? null;
    } catch (error) {
      failure = error as Error;
    }
    const outcome = outcomeOf(operation, failure);
    const error = failure === null ? {} : { error: failure.message };
    history.add({ kind: "admin", operation, topic: name, incarnation, partitions, sentAt, outcome, ...error });
    if (outcome === "done") topic.partitions = partitions;
    else if (outcome === "unknown" && operation !== "alter") this.#leaveBehind(topic);
    return outcome === "done";
  }

  /** A topic whose last change got no answer is not touched again, so that what is there can be told. */
  #leaveBehind(topic: SideTopic): void {
    topic.name = `side-${topics + this.#leftBehind++}`;
    topic.incarnation = 0;
    topic.partitions = 0;
  }

  async #write({ name, incarnation }: SideTopic): Promise<void> {
    const writer = `side#${incarnation}`;
    const sends = Array.from({ length: recordsOfATopic }, (_, seq) =>
      this.#producer.send({ topic: name, partition: seq % firstPartitions, value: recordValue(writer, seq % firstPartitions, seq) }),
    );
    await Promise.allSettled(sends);
  }
}

/** What the first answer to a repeated request, had it not been lost, would have said. */
const repeated: Partial<Record<Operation, string>> = {
  create: "TOPIC_ALREADY_EXISTS",
  delete: "UNKNOWN_TOPIC_OR_PARTITION",
  "add-partitions": "INVALID_PARTITIONS",
};
/** Nothing was changed. */
const refusals: readonly string[] = ["INVALID_REPLICATION_FACTOR"];

function outcomeOf(operation: Operation, failure: Error | null): AdminEvent["outcome"] {
  const code = failure !== null && "code" in failure ? String(failure.code) : null;
  if (failure === null || (code !== null && code === repeated[operation])) return "done";
  return code !== null && refusals.includes(code) ? "refused" : "unknown";
}
