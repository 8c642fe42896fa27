import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BrokerProcess } from "../../cli/up/broker-process.ts";
import { freePorts } from "./free-ports.ts";
import { makeTestFolder, removeTestFolder } from "./test-folder.ts";
import { waitUntil } from "./wait-until.ts";
import { TestZookeeper } from "./zookeeper.ts";

export interface TestClusterOptions {
  readonly brokers?: number;
  /** Those with the highest ids, which are not started with the others: `startBroker` does. */
  readonly spares?: number;
  /** Settings for every broker, by Kafka's names. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Settings of single brokers. */
  readonly settingsOf?: Readonly<Record<number, Readonly<Record<string, string | number | boolean>>>>;
  /** Before the command of single brokers: limits, or another environment. */
  readonly prefixOf?: Readonly<Record<number, readonly string[]>>;
}

const host = "127.0.0.1";
const startMaxMs = 60_000;
const stopGraceMs = 10_000;

/** Quick to notice a death, so that tests are quick; everything else as in Kafka. */
const testSettings = {
  "zookeeper.session.timeout.ms": 2000,
  "default.replication.factor": 3,
  "min.insync.replicas": 2,
  "leader.imbalance.check.interval.seconds": 1,
  "replica.lag.time.max.ms": 5000,
};

/** A real ZooKeeper and real broker processes, ids from 1, in a temporary folder. Ends with the test process. */
export class TestCluster {
  readonly zookeeper: TestZookeeper;
  readonly #folder: string;
  readonly #ports: ReadonlyMap<number, number>;
  readonly #options: TestClusterOptions;
  readonly #processes = new Map<number, BrokerProcess>();

  private constructor(zookeeper: TestZookeeper, folder: string, ports: ReadonlyMap<number, number>, options: TestClusterOptions) {
    this.zookeeper = zookeeper;
    this.#folder = folder;
    this.#ports = ports;
    this.#options = options;
  }

  /** Resolves when every broker serves clients. */
  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    const size = options.brokers ?? 3;
    const [zookeeper, folder, ports] = await Promise.all([TestZookeeper.start(), makeTestFolder("cluster"), freePorts(size)]);
    const cluster = new TestCluster(zookeeper, folder, new Map(ports.map((port, index) => [index + 1, port])), options);
    try {
      await Promise.all(cluster.ids.slice(0, size - (options.spares ?? 0)).map((id) => cluster.startBroker(id)));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get ids(): number[] {
    return [...this.#ports.keys()];
  }

  get bootstrap(): string[] {
    return this.ids.map((id) => this.address(id));
  }

  address(id: number): string {
    return `${host}:${this.port(id)}`;
  }

  port(id: number): number {
    const port = this.#ports.get(id);
    if (port === undefined) throw new Error(`no broker ${id}`);
    return port;
  }

  pid(id: number): number {
    return this.#processOf(id).pid ?? 0;
  }

  dataDirectory(id: number): string {
    return join(this.#folder, `broker-${id}`, "data");
  }

  logFile(id: number): string {
    return join(this.#folder, `broker-${id}`, "broker.log");
  }

  async startBroker(id: number): Promise<void> {
    const folder = join(this.#folder, `broker-${id}`);
    await mkdir(folder, { recursive: true });
    const configFile = join(folder, "server.properties");
    const settings = {
      "broker.id": id,
      listeners: `PLAINTEXT://${host}:${this.port(id)}`,
      "log.dirs": this.dataDirectory(id),
      "zookeeper.connect": `${this.zookeeper.host}:${this.zookeeper.port}/test`,
      ...testSettings,
      ...this.#options.settings,
      ...this.#options.settingsOf?.[id],
    };
    await writeFile(
      configFile,
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    const broker = new BrokerProcess({ id, configFile, logFile: this.logFile(id), prefix: this.#options.prefixOf?.[id] ?? [] });
    this.#processes.set(id, broker);
    const late = setTimeout(() => broker.signal("SIGKILL"), startMaxMs);
    try {
      await broker.ready();
    } catch (error) {
      throw new Error(`broker ${id} did not start within ${startMaxMs} ms\n${await this.logTail(id)}`, { cause: error });
    } finally {
      clearTimeout(late);
    }
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(id: number): Promise<void> {
    const broker = this.#processOf(id);
    broker.signal("SIGKILL");
    await broker.exited;
  }

  /** SIGTERM: a controlled shutdown. Resolves when it is gone. */
  async shutDown(id: number): Promise<void> {
    await this.#processOf(id).stop(stopGraceMs);
  }

  pause(id: number): void {
    this.#processOf(id).signal("SIGSTOP");
  }

  resume(id: number): void {
    this.#processOf(id).signal("SIGCONT");
  }

  async logTail(id: number, lines = 40): Promise<string> {
    const text = await readFile(this.logFile(id), "utf8").catch(() => "");
    return text.trimEnd().split("\n").slice(-lines).join("\n");
  }

  /** Waits until all copies of the topic's partitions are the same bytes on every broker that has one; fails with the first difference. */
  async replicasIdentical(topic: string, timeoutMs = 30_000): Promise<void> {
    let difference = "";
    await waitUntil(
      "identical replicas",
      async () => {
        difference = await this.#firstDifference(topic);
        return difference === "";
      },
      { timeoutMs },
    ).catch((error) => {
      throw new Error(`replicas of ${topic} differ: ${difference}`, { cause: error });
    });
  }

  /** A partition's log on one broker, all segments in order, or null when it has no copy. */
  async logBytes(id: number, topic: string, partition: number): Promise<Buffer | null> {
    return segmentBytes(join(this.dataDirectory(id), `${topic}-${partition}`));
  }

  async #firstDifference(topic: string): Promise<string> {
    const partitions = new Set<number>();
    for (const id of this.ids) {
      for (const name of await readdir(this.dataDirectory(id))) {
        const match = new RegExp(`^${topic.replaceAll(".", "\\.")}-(\\d+)$`).exec(name);
        if (match !== null) partitions.add(Number(match[1]));
      }
    }
    if (partitions.size === 0) return "no partition found";
    for (const partition of partitions) {
      const copies = (await Promise.all(this.ids.map(async (id) => ({ id, bytes: await this.logBytes(id, topic, partition) })))).flatMap(
        ({ id, bytes }) => (bytes === null ? [] : [{ id, bytes }]),
      );
      const [first, ...others] = copies;
      for (const other of others) {
        if (first !== undefined && !first.bytes.equals(other.bytes))
          return `partition ${partition}: broker ${first.id} has ${first.bytes.length} bytes, broker ${other.id} has ${other.bytes.length}`;
      }
    }
    return "";
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.#processes.values()].map((broker) => {
        broker.signal("SIGCONT");
        return broker.stop(stopGraceMs);
      }),
    );
    await this.zookeeper.stop();
    await removeTestFolder(this.#folder);
  }

  #processOf(id: number): BrokerProcess {
    const broker = this.#processes.get(id);
    if (broker === undefined) throw new Error(`broker ${id} was never started`);
    return broker;
  }
}

/** All segments in a log's folder, in order, or null when there is no such folder. */
export async function segmentBytes(folder: string): Promise<Buffer | null> {
  const names = await readdir(folder).catch(() => null);
  if (names === null) return null;
  const segments = names.filter((name) => name.endsWith(".log")).sort();
  return Buffer.concat(await Promise.all(segments.map((name) => readFile(join(folder, name)))));
}
