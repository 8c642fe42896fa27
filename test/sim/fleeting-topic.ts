import type { ClientRuntime } from "../../client/base/client-runtime.ts";
import { Admin, orThrow, Producer } from "../../client/index.ts";
import { type Random, randomInt } from "../../protocol/base/random.ts";
import type { TreeObserver } from "./observer.ts";
import type { SimBroker } from "./sim-broker.ts";
import type { SimClock } from "./sim-clock.ts";
import { readStoredLog } from "./stored-log.ts";
import type { Trace } from "./trace.ts";

export const fleetingTopic = "fleeting";

export interface FleetingTopicParts {
  readonly clock: SimClock;
  readonly trace: Trace;
  readonly random: Random;
  readonly brokers: readonly SimBroker[];
  readonly observer: () => TreeObserver;
  /** How often a broker lost what was not on its disk. */
  readonly losses: () => number;
  readonly bootstrap: string;
  readonly runtime: (owner: string) => ClientRuntime;
  readonly onViolation: (claim: string) => void;
}

/**
 * A topic that is created, written to, changed, deleted and re-created under its name, with other partitions and replicas each time. Its
 * records may be lost with the power of a broker. But the logs of one creation never contain a record of another, and one offset is never
 * acknowledged for two records.
 */
export class FleetingTopic {
  readonly #parts: FleetingTopicParts;
  /** The number of the topic's creation; its records begin with it. */
  #making = 0;
  /** The id of the current topic; null: there is none. */
  #topicId: string | null = null;
  /** By partition and offset. */
  readonly #acknowledged = new Map<string, string>();
  /** Records of the current topic may be lost. */
  #mayLose = false;
  #lossesBefore = 0;
  #isOver = false;
  #hasEnded = false;
  makings = 0;

  constructor(parts: FleetingTopicParts) {
    this.#parts = parts;
  }

  start(): void {
    void this.#live();
  }

  /** The topic is not created again. */
  stop(): void {
    this.#isOver = true;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What is on the disks under the current topic's id belongs to it. */
  look(): void {
    const { brokers, observer, onViolation } = this.#parts;
    for (const { topic, topicId, partition, replicas } of observer().partitions()) {
      if (topic !== fleetingTopic || topicId !== this.#topicId) continue;
      for (const broker of brokers) {
        if (!replicas.includes(broker.id) || !broker.isReady) continue;
        const folder = broker.folderOf(`${topic}-${partition}`);
        if (folder === null || !isOf(broker, folder, topicId)) continue;
        const log = readStoredLog(broker.disk, folder);
        const strange = log?.records.find(({ value }) => !value.startsWith(`m${this.#making}.`));
        if (strange !== undefined)
          onViolation(`${folder} of ${broker.owner} is of making ${this.#making}, and has ${strange.value} at ${strange.offset}`);
      }
    }
  }

  async #live(): Promise<void> {
    while (!this.#isOver) {
      await this.#sleep(this.#parts.random.next() * 800);
      await this.#make();
      await this.#write();
      await this.#sleep(400); // what was sent has arrived by then, or never will
      await this.#delete();
    }
    this.#hasEnded = true;
  }

  async #make(): Promise<void> {
    const { random, brokers, losses } = this.#parts;
    this.#making++;
    this.#mayLose = false;
    this.#lossesBefore = losses();
    this.#acknowledged.clear();
    const replicationFactor = 1 + randomInt(random, brokers.length);
    const partitions = 1 + randomInt(random, 3);
    const configs = { "min.insync.replicas": `${1 + randomInt(random, 2)}`, "segment.bytes": "3000" };
    await this.#administer("made", async (admin) => {
      orThrow(await admin.createTopics([{ name: fleetingTopic, partitions, replicationFactor, configs }]));
    });
    this.makings++;
    this.#topicId = this.#parts.observer().find(fleetingTopic, 0)?.topicId ?? null;
  }

  async #write(): Promise<void> {
    const { random, bootstrap, runtime } = this.#parts;
    const timeouts = { requestTimeoutMs: 2000, connectTimeoutMs: 1000, retryBackoffMs: 50, retryBackoffMaxMs: 300 };
    const delivery = { deliveryTimeoutMs: 4000, maxBlockMs: 4000, allowAutoTopicCreation: false, batchBytesMax: 300 };
    await using producer = new Producer({ bootstrap, ...timeouts, ...delivery, runtime: runtime("fleeting-producer") });
    const sends: Promise<void>[] = [];
    const count = 5 + randomInt(random, 30);
    for (let number = 0; number < count && !this.#isOver; number++) {
      const partitions = this.#parts
        .observer()
        .partitions()
        .filter(({ topic }) => topic === fleetingTopic).length;
      const partition = randomInt(random, Math.max(partitions, 1));
      const value = `m${this.#making}.${number}:`;
      const sent = producer.send({ topic: fleetingTopic, partition, value }).then(({ offset }) => this.#took(partition, offset, value));
      sends.push(sent.catch(() => undefined));
      if (random.next() < 0.06) await this.#change();
      await this.#sleep(random.next() * 80);
    }
    await Promise.all(sends);
  }

  /**
   * Race: (1) a broker is cut off from the others, and leads a partition of the topic before, alone; (2) that topic is deleted, and the
   * name is given to another; (3) a producer asks the broker where the partition is, and writes to the old one. Whoever names a topic by
   * its name is told of what the broker that was asked knows by it.
   */
  #mayBeOfAnother(partition: number): boolean {
    const topicId = this.#topicId;
    return this.#parts.brokers.some((broker) => {
      const folder = broker.folderOf(`${fleetingTopic}-${partition}`);
      return folder !== null && (topicId === null || !isOf(broker, folder, topicId));
    });
  }

  #took(partition: number, offset: number, value: string): void {
    if (this.#mayBeOfAnother(partition)) return;
    const key = `${partition}@${offset}`;
    const known = this.#acknowledged.get(key);
    const mayLose = this.#mayLose || this.#parts.losses() > this.#lossesBefore;
    if (known !== undefined && !mayLose) this.#parts.onViolation(`${fleetingTopic} ${key} was acknowledged for ${known} and for ${value}`);
    this.#acknowledged.set(key, value);
  }

  async #change(): Promise<void> {
    const { random, observer } = this.#parts;
    const partitions = observer()
      .partitions()
      .filter(({ topic }) => topic === fleetingTopic).length;
    if (random.next() < 0.4 && partitions < 4)
      return this.#administer("given a partition", async (admin) => {
        orThrow(await admin.createPartitions([{ topic: fleetingTopic, count: partitions + 1 }]));
      });
    const [name, value] = (
      [
        ["min.insync.replicas", `${1 + randomInt(random, 2)}`],
        ["retention.bytes", `${3000 + randomInt(random, 3000)}`],
        ["unclean.leader.election.enable", `${random.next() < 0.5}`],
      ] as const
    )[randomInt(random, 3)]!;
    if (value === "true") this.#mayLose = true;
    const resource = { topic: fleetingTopic };
    return this.#administer(`set to ${name}=${value}`, async (admin) => {
      orThrow(await admin.incrementalAlterConfigs([{ resource, changes: [{ name, operation: "set", value }] }]));
    });
  }

  async #delete(): Promise<void> {
    this.#topicId = null;
    await this.#administer("deleted", async (admin) => {
      orThrow(await admin.deleteTopics([fleetingTopic]));
    });
  }

  /** Until it is done, or the cluster says that it was done before. */
  async #administer(what: string, deed: (admin: Admin) => Promise<void>): Promise<void> {
    const { bootstrap, runtime, trace } = this.#parts;
    for (;;) {
      await using admin = new Admin({ bootstrap, operationTimeoutMs: 3000, requestTimeoutMs: 1500, runtime: runtime("fleeting-admin") });
      try {
        await deed(admin);
        return trace.line(`${fleetingTopic} is ${what}`);
      } catch (error) {
        const { name, message } = error as Error;
        const code = (error as { readonly code?: string }).code ?? name;
        trace.line(`${fleetingTopic} is not ${what}: ${message}`, true);
        if (/EXISTS|UNKNOWN_TOPIC|INVALID/.test(code)) return;
        await this.#sleep(200);
      }
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.schedule("fleeting", ms, resolve));
  }
}

/** By the topic id in a log's folder. */
function isOf(broker: SimBroker, folder: string, topicId: string): boolean {
  const path = `${folder}/partition.metadata`;
  return broker.disk.find(path) !== null && broker.disk.file(path).content().toString().includes(topicId);
}
