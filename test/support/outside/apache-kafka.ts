import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Admin } from "../../../client/index.ts";
import { freePorts } from "../free-ports.ts";
import { makeTestFolder, removeTestFolder } from "../test-folder.ts";
import { waitUntil } from "../wait-until.ts";
import { TestZookeeper } from "../zookeeper.ts";
import { kafka39 } from "./kafka-packages.ts";
import { classPath, type Prepared, prepared, programs } from "./prepared.ts";
import { hasCommand, runToSuccess } from "./run-command.ts";

const memory = ["-Xmx256m", "-XX:TieredStopAtLevel=1"];
const host = "127.0.0.1";
const startMaxMs = 60_000;
const stopGraceMs = 30_000;

/** Apache Kafka 3.9.1 from Maven Central: its tools, its classes, and a broker. */
export interface ApacheKafka {
  /** What `kafka.tools.DumpLogSegments` prints. */
  dump(args: readonly string[]): Promise<string>;
  /**
   * What its classes make of batches, in their order: as a consumer, as a broker that keeps the codec, and as one that keeps records
   * uncompressed. "!" and a reason: refused.
   */
  readBatches(batches: readonly Buffer[]): Promise<readonly KafkaVerdicts[]>;
  startBroker(settings?: Readonly<Record<string, string | number>>): Promise<KafkaBroker>;
}

export interface KafkaVerdicts {
  readonly consumer: string;
  readonly broker: string;
  readonly brokerUnpacking: string;
}

export function prepareKafka(): Promise<Prepared<ApacheKafka>> {
  return prepared(hasCommand("javac") ? null : "a Java development kit is not installed", async () => {
    const path = await classPath(kafka39);
    return {
      dump: async (args) =>
        (await runToSuccess("java", [...memory, "-cp", path, "kafka.tools.DumpLogSegments", ...args])).stdout.toString(),
      readBatches: async (batches) => {
        const input = batches.map((batch) => `${batch.toString("base64")}\n`).join("");
        const { stdout } = await runToSuccess("java", [...memory, "-cp", path, join(programs, "ReadBatches.java")], { input });
        return stdout
          .toString()
          .trimEnd()
          .split("\n")
          .map((line) => {
            const [consumer = "", broker = "", brokerUnpacking = ""] = line.split("\t");
            return { consumer, broker, brokerUnpacking };
          });
      },
      startBroker: (settings = {}) => KafkaBroker.start(path, settings),
    };
  });
}

export type KafkaTool = (args: readonly string[]) => Promise<string>;

/** What one of Apache Kafka's tools prints, which needs no compiler. */
export function prepareKafkaTool(mainClass: string, packages: readonly string[] = kafka39): Promise<Prepared<KafkaTool>> {
  return prepared(hasCommand("java") ? null : "no Java is installed", async () => {
    const path = await classPath(packages);
    return async (args) => (await runToSuccess("java", [...memory, "-cp", path, mainClass, ...args])).stdout.toString();
  });
}

/** One broker of Apache Kafka on a ZooKeeper of its own, in a temporary folder. */
export class KafkaBroker {
  readonly address: string;
  readonly #folder: string;
  readonly #zookeeper: TestZookeeper;
  readonly #process: ChildProcess;
  #said = "";

  private constructor(address: string, folder: string, zookeeper: TestZookeeper, child: ChildProcess) {
    this.address = address;
    this.#folder = folder;
    this.#zookeeper = zookeeper;
    this.#process = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#said = (this.#said + text).slice(-10_000);
      });
  }

  static async start(path: string, settings: Readonly<Record<string, string | number>>): Promise<KafkaBroker> {
    const [zookeeper, folder, [port]] = await Promise.all([TestZookeeper.start(), makeTestFolder("apache-kafka"), freePorts(1)]);
    const address = `${host}:${port}`;
    const all = {
      "broker.id": 1,
      listeners: `PLAINTEXT://${address}`,
      "log.dirs": join(folder, "data"),
      "zookeeper.connect": zookeeper.connectionString,
      "offsets.topic.replication.factor": 1,
      "offsets.topic.num.partitions": 1,
      "group.initial.rebalance.delay.ms": 0,
      ...settings,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`);
    await mkdir(join(folder, "data"));
    await writeFile(join(folder, "server.properties"), lines.join(""));
    const args = [...memory, "-cp", path, join(programs, "GuardedKafka.java"), join(folder, "server.properties")];
    const broker = new KafkaBroker(address, folder, zookeeper, spawn("java", args, { stdio: ["pipe", "pipe", "pipe"], cwd: folder }));
    try {
      await broker.#serving();
      return broker;
    } catch (error) {
      await broker.remove();
      throw error;
    }
  }

  get dataDirectory(): string {
    return join(this.#folder, "data");
  }

  async #serving(): Promise<void> {
    await waitUntil(
      "Apache Kafka serves",
      async () => {
        if (this.#process.exitCode !== null) throw new Error(`Apache Kafka ended with ${this.#process.exitCode}`);
        await using admin = new Admin({ bootstrap: [this.address] });
        const { brokers } = await admin.describeCluster();
        return brokers.length === 1;
      },
      { timeoutMs: startMaxMs },
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.#said}`, { cause: error });
    });
  }

  /** Its files stay until `remove`. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "close");
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), stopGraceMs);
    await gone;
    clearTimeout(late);
  }

  async remove(): Promise<void> {
    await this.stop("SIGKILL");
    await this.#zookeeper.stop();
    await removeTestFolder(this.#folder);
  }
}
