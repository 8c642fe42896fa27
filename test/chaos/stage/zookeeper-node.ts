import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ZookeeperMode, zookeeperMode } from "../../../cli/zookeeper/four-letter-word.ts";
import { zookeeperCommand } from "../../../cli/zookeeper/zookeeper-command.ts";
import { type ZookeeperEnsemble, zookeeperConfigFile } from "../../../cli/zookeeper/zookeeper-config.ts";
import { KeptProcess } from "./kept-process.ts";
import type { NetworkNode } from "./network.ts";
import { openZookeeperSession } from "./zookeeper-session.ts";

const heapMaxMib = 128;
const servingMaxMs = 90_000;
const probeMaxMs = 500;
const probePauseMs = 50;
/** Kafka's longest usual session is 40 s. */
const sessionTimeoutMaxMs = 120_000;

export interface ZookeeperPlace {
  readonly id: number;
  readonly node: NetworkNode;
  readonly clientPort: number;
  readonly ensemble: ZookeeperEnsemble;
  readonly folder: string;
  /** Sessions expire at multiples of it, and servers give each other up after five of them. Milliseconds. */
  readonly tickTimeMs: number;
}

/** One server of the ensemble, over all its lives. */
export class ZookeeperNode {
  readonly id: number;
  readonly #place: ZookeeperPlace;
  #process: KeptProcess | null = null;

  constructor(place: ZookeeperPlace) {
    this.id = place.id;
    this.#place = place;
  }

  get name(): string {
    return this.#place.node.name;
  }

  get address(): string {
    return `${this.#place.node.address}:${this.#place.clientPort}`;
  }

  get isRunning(): boolean {
    return this.#process !== null && this.#process.end === null;
  }

  /** Does not wait until it serves: that takes a majority. */
  async launch(): Promise<void> {
    const { id, node, clientPort, ensemble, folder, tickTimeMs } = this.#place;
    if (this.isRunning) throw new Error(`ZooKeeper ${id} runs already`);
    const dataDirectory = join(folder, "data");
    const configFile = join(dataDirectory, "zoo.cfg");
    await mkdir(dataDirectory, { recursive: true });
    const settings = {
      dataDirectory,
      host: node.address,
      clientPort,
      tickTimeMs,
      sessionTimeoutMinMs: tickTimeMs * 2,
      sessionTimeoutMaxMs,
    };
    await writeFile(configFile, zookeeperConfigFile({ ...settings, ensemble }));
    await writeFile(join(dataDirectory, "myid"), `${id}\n`);
    const { command, args } = await zookeeperCommand({ configFile, heapMaxMib, syncToDisk: false, environment: process.env });
    this.#process = new KeptProcess(command, args, { logFile: join(folder, "zookeeper.log"), prefix: node.prefix });
  }

  /** Null: it does not serve now. */
  mode(): Promise<ZookeeperMode | null> {
    return zookeeperMode(this.#place.node.address, this.#place.clientPort, probeMaxMs);
  }

  async serving(): Promise<void> {
    const deadlineMs = performance.now() + servingMaxMs;
    while ((await this.mode()) === null) {
      if (!this.isRunning) throw new Error(`ZooKeeper ${this.id} has ended: ${this.#place.folder}`);
      if (performance.now() > deadlineMs) throw new Error(`ZooKeeper ${this.id} does not serve after ${servingMaxMs} ms`);
      await sleep(probePauseMs);
    }
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process?.signal(signal);
  }
}

/** Whether the servers open a session within that time. It is closed again. */
export async function opensSession(servers: readonly ZookeeperNode[], withinMs: number): Promise<boolean> {
  const session = await openZookeeperSession(servers.map(({ address }) => address).join(","), withinMs);
  session?.close();
  return session !== null;
}
