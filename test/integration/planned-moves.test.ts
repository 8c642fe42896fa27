import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { becomesInSync } from "../support/calm.ts";
import { TestCluster } from "../support/cluster.ts";
import { storedValues } from "../support/stored-values.ts";

// Leaderships move to and fro though nobody fails, while a producer writes with acks=1.

const partitions = 24;
const topic = "moved";
const mover = 1;
const rounds = 3;
const sendEveryMs = 2;
let cluster: TestCluster;
let admin: Admin;

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "auto.leader.rebalance.enable": false } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

/** Writes to all partitions until it is stopped, and remembers what was acknowledged where. */
class Writer {
  readonly acknowledged = new Map<string, string>();
  readonly failures: string[] = [];
  readonly #producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, acks: 1 });
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #timer = setInterval(() => this.#send(), sendEveryMs);
  #count = 0;

  #send(): void {
    const partition = this.#count % partitions;
    const value = `value ${this.#count++}`;
    const sent = this.#producer.send({ topic, partition, value }).then(
      ({ offset }) => this.#note(`${partition}@${offset}`, value),
      (error: Error) => void this.failures.push(error.message),
    );
    this.#underWay.add(sent);
    void sent.finally(() => this.#underWay.delete(sent));
  }

  /** Where one record was lost, the next one of the partition may have its place. */
  #note(where: string, value: string): void {
    if (this.acknowledged.has(where)) this.failures.push(`${where} was acknowledged twice: ${this.acknowledged.get(where)}, then ${value}`);
    this.acknowledged.set(where, value);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    await this.#producer.close();
  }
}

/** A leader alone has what it acknowledged last, and consumers do not see that before its followers have it, too. */
async function everythingCommitted(): Promise<void> {
  await using producer = new Producer({ bootstrap: cluster.bootstrap, valueSerde: stringSerde, acks: "all" });
  await Promise.all(Array.from({ length: partitions }, (_, partition) => producer.send({ topic, partition, value: "the last one" })));
}

/** What controllers say of leaders that did not hand over. */
function whatWasNotHandedOver(): string {
  const lines = cluster.ids.flatMap((id) => readFileSync(cluster.logFile(id), "utf8").split("\n"));
  return lines.filter((line) => line.includes("hand over") || line.includes("handed over")).join("\n");
}

test("nothing that the leader alone had acknowledged is lost when brokers are restarted and lead again", async () => {
  const assignment = Array.from({ length: partitions }, (_, at) => (at % 2 === 0 ? [1, 2, 3] : [1, 3, 2]));
  orThrow(await admin.createTopics([{ name: topic, assignment, configs: { "min.insync.replicas": "1" } }]));
  const writer = new Writer();
  for (let round = 0; round < rounds; round++) {
    await cluster.shutDown(mover);
    await cluster.startBroker(mover);
    await becomesInSync(admin, topic);
    for (const { error } of await admin.electLeaders("preferred")) expect(error?.code ?? "NONE").toMatch(/NONE|ELECTION_NOT_NEEDED/);
  }
  await writer.stop();
  expect(writer.failures).toEqual([]);
  await everythingCommitted();
  const stored = await storedValues(cluster.bootstrap, topic);
  const lost = [...writer.acknowledged].filter(([where, value]) => stored.get(where) !== value);
  expect(lost, whatWasNotHandedOver()).toEqual([]);
  expect(writer.acknowledged.size).toBeGreaterThan(1_000);
});
