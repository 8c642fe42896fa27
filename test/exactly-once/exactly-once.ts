import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Admin, Consumer, orThrow, Producer } from "../../client/index.ts";
import { type Random, randomInt, seededRandom } from "../../protocol/base/random.ts";
import { GuardedProcess } from "../bench/processes/guarded-process.ts";
import { TestCluster } from "../support/cluster.ts";
import { checkProcessed, type ReadRecord } from "../support/transaction-checker.ts";
import { waitUntil } from "../support/wait-until.ts";
import { outputOf, type WorkerOrder } from "./worker-order.ts";

export interface ExactlyOnceOrder {
  /** Of workers and brokers, by SIGKILL. */
  readonly kills: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

const program = fileURLToPath(new URL("./worker-program.ts", import.meta.url));
const partitions = 4;
const workersCount = 3;
const [from, to, group] = ["inputs", "outputs", "workers"] as const;
const feedEveryMs = 25;
/** After a kill, until positions move again; of a restarted broker, until it serves. */
const progressMaxMs = 90_000;
const endMaxMs = 180_000;

/** Workers turn inputs into outputs in transactions, while they and brokers are killed; at the end each input has its output once. */
export async function exactlyOnce({ kills, seed, say }: ExactlyOnceOrder): Promise<string[]> {
  const random = seededRandom(seed);
  const settings = {
    "transaction.state.log.num.partitions": 6,
    "offsets.topic.num.partitions": 6,
    "group.initial.rebalance.delay.ms": 0,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    "group.min.session.timeout.ms": 1000,
  };
  const cluster = await TestCluster.start({ settings });
  const workers: Worker[] = [];
  try {
    await using admin = new Admin({ bootstrap: cluster.bootstrap });
    orThrow(await admin.createTopics([from, to].map((name) => ({ name, partitions, replicationFactor: 3 }))));
    const order = { bootstrap: cluster.bootstrap, group, from, to, abortedPart: 0.05 };
    for (let i = 0; i < workersCount; i++) workers.push(new Worker({ ...order, transactionalId: `worker-${i}`, seed: seed + i }));
    const feed = new Feed(cluster.bootstrap);
    await moved(admin, 0);
    for (let kill = 1; kill <= kills; kill++) {
      const before = await committed(admin);
      const victim = await killOne(cluster, workers, random);
      await moved(admin, before);
      say(`${kill}: ${victim}; ${await committed(admin)} committed`);
    }
    const sent = await feed.end();
    await waitUntil("everything to be processed", async () => (await committed(admin)) === sent, { timeoutMs: endMaxMs, pauseMs: 200 });
    for (const worker of workers) await worker.kill();
    const wrong = await judge(cluster.bootstrap, await positions(admin));
    say(`${sent} inputs, ${kills} kills, ${wrong.length} faults; what workers said: ${said(workers)}`);
    return wrong;
  } catch (error) {
    return [`${(error as Error).message}; what workers said: ${said(workers)}`];
  } finally {
    for (const worker of workers) await worker.kill();
    await cluster.stop();
  }
}

class Worker {
  readonly #order: WorkerOrder;
  readonly errors = new Map<string, number>();
  #process: GuardedProcess;

  constructor(order: WorkerOrder) {
    this.#order = order;
    this.#process = this.#start();
  }

  #start(): GuardedProcess {
    return new GuardedProcess(process.execPath, [program, JSON.stringify(this.#order)], { onLine: (line) => this.#heard(line) });
  }

  #heard(line: string): void {
    if (!line.startsWith("! ")) return;
    const name = line.slice(2, 120);
    if (this.errors.size < 50) this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
  }

  async kill(): Promise<void> {
    this.#process.signal("SIGKILL");
    await this.#process.ended;
  }

  restart(): void {
    this.#process = this.#start();
  }
}

/** Inputs, until it is told to end. */
class Feed {
  readonly #producer: Producer;
  readonly #done: Promise<number>;
  #isEnding = false;

  constructor(bootstrap: readonly string[]) {
    this.#producer = new Producer({ bootstrap, lingerMs: 300 });
    this.#done = this.#run();
  }

  /** How many there are. */
  async end(): Promise<number> {
    this.#isEnding = true;
    const sent = await this.#done;
    await this.#producer.close();
    return sent;
  }

  async #run(): Promise<number> {
    const sends: Promise<unknown>[] = [];
    for (let i = 0; !this.#isEnding; i++) {
      for (let partition = 0; partition < partitions; partition++)
        sends.push(this.#producer.send({ topic: from, partition, value: `input ${partition}.${i}` }));
      await sleep(feedEveryMs);
    }
    await Promise.all(sends);
    return sends.length;
  }
}

async function killOne(cluster: TestCluster, workers: readonly Worker[], random: Random): Promise<string> {
  await sleep(random.next() * 1500);
  if (random.next() < 0.6) {
    const at = randomInt(random, workers.length);
    await workers[at]!.kill();
    await sleep(random.next() * 1500);
    workers[at]!.restart();
    return `worker ${at}`;
  }
  const id = 1 + randomInt(random, 3);
  await cluster.kill(id);
  await sleep(random.next() * 3000);
  await cluster.startBroker(id);
  return `broker ${id}`;
}

async function positions(admin: Admin): Promise<ReadonlyMap<number, number>> {
  const offsets = await admin.listGroupOffsets(group).catch(() => []);
  return new Map(
    offsets.flatMap(({ topic, partition, offset }) => (topic === from && offset !== null ? [[partition, offset] as const] : [])),
  );
}

async function committed(admin: Admin): Promise<number> {
  return [...(await positions(admin)).values()].reduce((sum, offset) => sum + offset, 0);
}

/** In every partition something more is committed than then, in sum at least. */
async function moved(admin: Admin, before: number): Promise<void> {
  const isMoved = async () => (await committed(admin)) > before;
  await waitUntil("positions to move on", isMoved, { timeoutMs: progressMaxMs, pauseMs: 50 });
}

async function judge(bootstrap: readonly string[], ends: ReadonlyMap<number, number>): Promise<string[]> {
  const wrong: string[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const inputs = await readAll(bootstrap, from, partition);
    const outputs = (await readAll(bootstrap, to, partition)).map(({ value }) => value);
    wrong.push(...checkProcessed(inputs, ends.get(partition) ?? 0, outputs, outputOf).map((fault) => `partition ${partition}: ${fault}`));
    const inOrder = inputs.map(({ value }) => outputOf(value));
    if (wrong.length === 0 && outputs.join() !== inOrder.join())
      wrong.push(`partition ${partition}: outputs are in another order than inputs`);
  }
  return wrong;
}

async function readAll(bootstrap: readonly string[], topic: string, partition: number): Promise<ReadRecord[]> {
  await using consumer = new Consumer({ bootstrap, isolation: "read_committed" });
  await consumer.assign([{ topic, partition, from: "beginning", until: "end" }]);
  const records: ReadRecord[] = [];
  for await (const { offset, value } of consumer) records.push({ offset, value: String(value) });
  return records;
}

function said(workers: readonly Worker[]): string {
  return workers.map(({ errors }, at) => `worker ${at}: ${[...errors].map(([what, times]) => `${times} x ${what}`).join(", ")}`).join("; ");
}
