import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { zookeeperMode } from "../../cli/zookeeper/four-letter-word.ts";
import type { ZookeeperEnsemble, ZookeeperSettings } from "../../cli/zookeeper/zookeeper-config.ts";
import { ZookeeperProcess } from "../../cli/zookeeper/zookeeper-process.ts";
import { freePorts } from "./free-ports.ts";
import { makeTestFolder, removeTestFolder } from "./test-folder.ts";

export interface TestZookeeperOptions {
  /** Sessions expire at multiples of it. Milliseconds. */
  readonly tickTimeMs?: number;
}

const host = "127.0.0.1";
const startMaxMs = 60_000;
const startAttempts = 3;

/**
 * A real ZooKeeper 3.8 for tests, on a free port, with its data in a temporary folder.
 * It cannot outlive the test process: see the guard in `cli/zookeeper/zookeeper-process.ts`. The folder of a killed test run stays in the
 * temporary directory.
 */
export class TestZookeeper {
  readonly host = host;
  readonly port: number;
  readonly #settings: ZookeeperSettings;
  readonly #folder: string;
  #process: ZookeeperProcess;
  #copies = 0;

  private constructor(settings: ZookeeperSettings, folder: string, process: ZookeeperProcess) {
    this.#settings = settings;
    this.#folder = folder;
    this.#process = process;
    this.port = settings.clientPort;
  }

  /** Starts a server on its own and waits until it serves. */
  static async start(options: TestZookeeperOptions = {}): Promise<TestZookeeper> {
    for (let attempt = 1; ; attempt++) {
      const [clientPort = 0] = await freePorts(1);
      const server = await TestZookeeper.#launch(clientPort, options);
      try {
        await server.serving();
        return server;
      } catch (error) {
        // Another process may have taken the port between asking for it and using it.
        await server.stop();
        if (attempt === startAttempts) throw error;
      }
    }
  }

  static async #launch(clientPort: number, options: TestZookeeperOptions, ensemble?: ZookeeperEnsemble): Promise<TestZookeeper> {
    const folder = await makeTestFolder("zookeeper");
    const { tickTimeMs = 500 } = options;
    const settings: ZookeeperSettings = {
      dataDirectory: join(folder, "data"),
      host,
      clientPort,
      tickTimeMs,
      sessionTimeoutMinMs: tickTimeMs * 2,
      sessionTimeoutMaxMs: 120_000,
      ...(ensemble === undefined ? {} : { ensemble }),
    };
    return new TestZookeeper(settings, folder, await run(settings));
  }

  /** Starts an ensemble and waits until every member serves. */
  static async startEnsemble(size: number, options: TestZookeeperOptions = {}): Promise<TestZookeeperEnsemble> {
    for (let attempt = 1; ; attempt++) {
      const ports = await freePorts(size * 3);
      const portAt = (index: number) => ports[index] ?? 0;
      const members = Array.from({ length: size }, (_, i) => ({
        id: i + 1,
        host,
        peerPort: portAt(i * 3),
        electionPort: portAt(i * 3 + 1),
      }));
      const servers = await Promise.all(
        members.map(({ id }, i) => TestZookeeper.#launch(portAt(i * 3 + 2), options, { myId: id, members })),
      );
      const ensemble = new TestZookeeperEnsemble(servers);
      try {
        await Promise.all(servers.map((server) => server.serving()));
        return ensemble;
      } catch (error) {
        await ensemble.stop();
        if (attempt === startAttempts) throw error;
      }
    }
  }

  get connectionString(): string {
    return `${this.host}:${this.port}`;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Waits until it serves clients; for a member of an ensemble, until there is a quorum. */
  async serving(): Promise<void> {
    await this.#process.serving(startMaxMs);
  }

  async mode(): Promise<"standalone" | "leader" | "follower" | "observer" | null> {
    return await zookeeperMode(this.host, this.port, 1_000);
  }

  /** SIGKILL. The data stays. */
  async kill(): Promise<void> {
    this.#process.signal("SIGKILL");
    await this.#process.exited;
  }

  /** A copy of its data, for `restart`. To be made while it does not run. */
  async copyData(): Promise<string> {
    const copy = join(this.#folder, `copy-${++this.#copies}`);
    await cp(this.#settings.dataDirectory, copy, { recursive: true });
    return copy;
  }

  /**
   * Restarts it, on the same port; kills it first if it runs. `data`: a copy made earlier, or null for none at all; without it the data is
   * as it was. Resolves when it serves.
   */
  async restart(data?: string | null): Promise<void> {
    await this.kill();
    if (data !== undefined) await rm(this.#settings.dataDirectory, { recursive: true });
    if (typeof data === "string") await cp(data, this.#settings.dataDirectory, { recursive: true });
    this.#process = await run(this.#settings);
    await this.serving();
  }

  /** SIGSTOP: connections stay open, nothing is answered. */
  pause(): void {
    this.#process.signal("SIGSTOP");
  }

  resume(): void {
    this.#process.signal("SIGCONT");
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    await this.kill();
    await removeTestFolder(this.#folder);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

export class TestZookeeperEnsemble {
  readonly servers: readonly TestZookeeper[];

  constructor(servers: readonly TestZookeeper[]) {
    this.servers = servers;
  }

  get connectionString(): string {
    return this.servers.map(({ connectionString }) => connectionString).join(",");
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function run(settings: ZookeeperSettings): Promise<ZookeeperProcess> {
  return ZookeeperProcess.start({ settings, heapMaxMib: 128, syncToDisk: false, environment: process.env });
}
