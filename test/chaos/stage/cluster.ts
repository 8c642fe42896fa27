import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../support/free-ports.ts";
import { type BrokerEnd, BrokerNode, type BrokerSettings } from "./broker-node.ts";
import { cuttableNetwork, type Network, plainNetwork } from "./network.ts";
import { isInside } from "./own-namespaces.ts";
import { ZookeeperNode } from "./zookeeper-node.ts";

const zookeepers = 3;

export interface ClusterOptions {
  readonly brokers: number;
  /** Brokers that are not started with the others: see `addBroker`. */
  readonly spares?: number;
  /** Milliseconds. */
  readonly sessionTimeoutMs: number;
  readonly tickTimeMs: number;
  readonly settings: BrokerSettings;
  readonly mutant: string | null;
  /** Of every end of a broker's process, whoever caused it. */
  readonly onEnd: (id: number, end: BrokerEnd) => void;
  /** Why nothing can be cut, when this run has no namespaces of its own. */
  readonly cannotCut: string;
  /** Before any process is started, and of the spare ones too; what it returns is called when all have ended. */
  readonly prepare?: (brokers: readonly BrokerNode[]) => Promise<() => Promise<void>>;
  /** Stays when the run is over. */
  readonly keepsFolder: boolean;
}

/** Three ZooKeeper servers and the brokers, each a process on a machine of its own as far as the network goes. */
export class Cluster {
  readonly network: Network;
  readonly folder: string;
  readonly zookeepers: readonly ZookeeperNode[];
  readonly #keepsFolder: boolean;
  readonly #withSpares: readonly BrokerNode[];
  #size: number;
  /** Null: nothing was prepared. */
  #undo: (() => Promise<void>) | null = null;

  private constructor(network: Network, folder: string, ports: readonly number[], options: ClusterOptions) {
    const { brokers, spares = 0, sessionTimeoutMs, tickTimeMs, settings, mutant, onEnd } = options;
    this.network = network;
    this.folder = folder;
    this.#keepsFolder = options.keepsFolder;
    const port = (index: number) => ports[index] ?? 0;
    const members = Array.from({ length: zookeepers }, (_, at) => ({
      id: at + 1,
      host: network.node(zookeeperName(at + 1)).address,
      peerPort: port(0),
      electionPort: port(1),
    }));
    this.zookeepers = members.map(({ id }) => {
      const [node, place] = [network.node(zookeeperName(id)), { clientPort: port(2), ensemble: { myId: id, members }, tickTimeMs }];
      return new ZookeeperNode({ id, node, folder: join(folder, zookeeperName(id)), ...place });
    });
    const common = {
      "zookeeper.connect": `${this.zookeepers.map(({ address }) => address).join(",")}/chaos`,
      "zookeeper.session.timeout.ms": sessionTimeoutMs,
      ...settings,
    };
    this.#size = brokers;
    this.#withSpares = Array.from({ length: brokers + spares }, (_, at) => {
      const [id, node] = [at + 1, network.node(brokerName(at + 1))];
      const place = { id, node, port: port(3), peerPort: port(4), folder: join(folder, brokerName(id)), settings: common, mutant };
      return new BrokerNode(place, onEnd);
    });
  }

  /** Resolves when every broker serves clients. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const names = [
      ...Array.from({ length: options.brokers + (options.spares ?? 0) }, (_, at) => brokerName(at + 1)),
      ...Array.from({ length: zookeepers }, (_, at) => zookeeperName(at + 1)),
    ];
    const network = isInside() ? await cuttableNetwork(names) : plainNetwork(names, options.cannotCut);
    const folder = await mkdtemp(join(tmpdir(), "ottla-chaos-"));
    // every node has an address of its own, so one set of ports does for all
    const cluster = new Cluster(network, folder, isInside() ? [2888, 3888, 2181, 9092, 9093] : await freePorts(5), options);
    try {
      if (options.prepare !== undefined) cluster.#undo = await options.prepare(cluster.#withSpares);
      await Promise.all(cluster.zookeepers.map((server) => server.launch()));
      await Promise.all(cluster.zookeepers.map((server) => server.serving()));
      await Promise.all(cluster.brokers.map((broker) => broker.start()));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Those that belong to it by now. */
  get brokers(): readonly BrokerNode[] {
    return this.#withSpares.slice(0, this.#size);
  }

  /** One more belongs to it from now on, and is to be started; null: there is no other. */
  addBroker(): BrokerNode | null {
    const spare = this.#withSpares[this.#size];
    if (spare === undefined) return null;
    this.#size++;
    return spare;
  }

  get bootstrap(): string[] {
    return this.brokers.map(({ address }) => address);
  }

  broker(id: number): BrokerNode {
    const broker = this.brokers.find((each) => each.id === id);
    if (broker === undefined) throw new Error(`no broker ${id}`);
    return broker;
  }

  /** The names of all nodes but this broker's, the clients' included. */
  othersThan(broker: BrokerNode): string[] {
    return [...this.peersOf(broker), ...this.zookeepers.map(({ name }) => name), this.network.outside];
  }

  peersOf(broker: BrokerNode): string[] {
    return this.brokers.filter((each) => each !== broker).map(({ name }) => name);
  }

  /** Ends all of it at once. */
  async stop(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.kill()));
    await Promise.all(this.zookeepers.map((server) => server.kill()));
    await this.network.close();
    if (this.#keepsFolder && this.#undo !== null) await this.#copyData();
    await this.#undo?.();
    if (!this.#keepsFolder) await rm(this.folder, { recursive: true, force: true });
  }

  /** What was prepared may be disks that nobody else can see, and that go with us. */
  async #copyData(): Promise<void> {
    await Promise.all(
      this.brokers.map(({ dataDirectory, place }) => cp(dataDirectory, join(place.folder, "kept-data"), { recursive: true })),
    );
  }
}

export function brokerName(id: number): string {
  return `broker-${id}`;
}

export function zookeeperName(id: number): string {
  return `zookeeper-${id}`;
}
