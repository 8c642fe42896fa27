import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Admin } from "../../../client/index.ts";
import { freePorts } from "../../support/free-ports.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import type { MeteredProcess } from "../processes/meter.ts";
import { KafkaBrokerProcess } from "./kafka-broker-process.ts";
import type { ClusterShape, RunningSystem } from "./system.ts";

const host = "127.0.0.1";
const startMaxMs = 120_000;

/** Where one broker is to be. */
export interface KafkaSeat {
  readonly id: number;
  readonly port: number;
  /** For Kafka's own quorum. */
  readonly controllerPort: number;
  readonly folder: string;
}

/** ZooKeeper beside the brokers, or KRaft within them. */
export interface KafkaCoordination {
  readonly processes: readonly MeteredProcess[];
  /** Of one broker, by Kafka's names. */
  settings(seat: KafkaSeat): Readonly<Record<string, string | number>>;
  /** Before the first start. */
  prepare(seats: readonly KafkaSeat[], settings: (seat: KafkaSeat) => Readonly<Record<string, string | number>>): Promise<void>;
  stop(): Promise<void>;
}

export interface KafkaClusterOptions {
  readonly shape: ClusterShape;
  readonly classPath: string;
  readonly heapMib: number;
  readonly settings: Readonly<Record<string, string | number>>;
  /** Aborted when the run is stopped: a start under way fails then. */
  readonly signal: AbortSignal;
}

/** Brokers of Apache Kafka on this machine, ids from 1, in a temporary folder. */
export class KafkaCluster implements RunningSystem {
  readonly speaks = "kafka";
  readonly #options: KafkaClusterOptions;
  readonly #coordination: KafkaCoordination;
  readonly #folder: string;
  readonly #seats: readonly KafkaSeat[];
  readonly #brokers = new Map<number, KafkaBrokerProcess>();

  private constructor(options: KafkaClusterOptions, coordination: KafkaCoordination, folder: string, seats: readonly KafkaSeat[]) {
    this.#options = options;
    this.#coordination = coordination;
    this.#folder = folder;
    this.#seats = seats;
  }

  /** Resolves when every broker serves clients. */
  static async start(options: KafkaClusterOptions, coordinate: () => Promise<KafkaCoordination>): Promise<KafkaCluster> {
    const count = options.shape.brokers;
    const coordination = await coordinate();
    const [folder, ports] = await Promise.all([makeTestFolder("bench-kafka"), freePorts(count * 2)]);
    const seats = Array.from({ length: count }, (_, i) => {
      const [port = 0, controllerPort = 0] = ports.slice(i * 2);
      return { id: i + 1, port, controllerPort, folder: join(folder, `broker-${i + 1}`) };
    });
    const cluster = new KafkaCluster(options, coordination, folder, seats);
    try {
      await Promise.all(seats.map((seat) => mkdir(join(seat.folder, "data"), { recursive: true })));
      await coordination.prepare(seats, (seat) => cluster.#settingsOf(seat));
      await Promise.all(seats.map((seat) => cluster.#launch(seat)));
      await cluster.#serving();
      return cluster;
    } catch (error) {
      await cluster.discard();
      throw error;
    }
  }

  get bootstrap(): readonly string[] {
    return this.#seats.map(({ port }) => `${host}:${port}`);
  }

  get processes(): readonly MeteredProcess[] {
    const brokers = [...this.#brokers.values()].map(({ id, pid }) => ({ name: `broker ${id}`, pid, role: "broker" as const }));
    return [...brokers, ...this.#coordination.processes];
  }

  get dataDirectories(): readonly string[] {
    return this.#seats.map(({ folder }) => join(folder, "data"));
  }

  async killBroker(id: number): Promise<void> {
    await this.#brokers.get(id)?.kill();
  }

  async restartBroker(id: number): Promise<void> {
    await this.#brokers.get(id)?.restart();
    await this.#serving();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#brokers.values()].map((broker) => broker.stop()));
    await this.discard();
  }

  async discard(): Promise<void> {
    await Promise.all([...this.#brokers.values()].map((broker) => broker.kill()));
    await this.#coordination.stop();
    await removeTestFolder(this.#folder);
  }

  #settingsOf(seat: KafkaSeat): Readonly<Record<string, string | number>> {
    const { settings } = this.#options;
    return { "log.dirs": join(seat.folder, "data"), ...settings, ...this.#coordination.settings(seat) };
  }

  async #launch(seat: KafkaSeat): Promise<void> {
    const { classPath, heapMib } = this.#options;
    const options = { id: seat.id, folder: seat.folder, classPath, heapMib, settings: this.#settingsOf(seat) };
    this.#brokers.set(seat.id, await KafkaBrokerProcess.start(options));
  }

  /** Each broker answers, and knows all others. */
  async #serving(): Promise<void> {
    const serves = async (address: string) => {
      await using admin = new Admin({ bootstrap: [address] });
      return (await admin.describeCluster()).brokers.length === this.#seats.length;
    };
    const { signal } = this.#options;
    const ended = () => [...this.#brokers.values()].find(({ hasEnded }) => hasEnded);
    const wait = this.bootstrap.map((address) =>
      waitUntil("Apache Kafka serves", async () => signal.aborted || ended() !== undefined || (await serves(address)), {
        timeoutMs: startMaxMs,
      }),
    );
    await Promise.all(wait);
    signal.throwIfAborted();
    const gone = ended();
    if (gone !== undefined) throw new Error(`Apache Kafka's broker ${gone.id} did not start: ${gone.words.slice(-2000)}`);
  }
}

/** Listeners that every seat has. */
export function plaintext({ port }: KafkaSeat): string {
  return `PLAINTEXT://${host}:${port}`;
}

export function controllerAddress({ controllerPort }: KafkaSeat): string {
  return `${host}:${controllerPort}`;
}
