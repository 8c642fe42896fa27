import { clusterView, ImageStore, type TopicImage } from "../../../broker/cluster/cluster-image.ts";
import { controlledShutdown } from "../../../broker/cluster/controlled-shutdown.ts";
import { ControllerLink } from "../../../broker/cluster/controller-link.ts";
import { IsrReporter, ReplicaReporter } from "../../../broker/cluster/controller-reports.ts";
import { Membership } from "../../../broker/cluster/membership.ts";
import { settingLayers, settingsResolver } from "../../../broker/cluster/resolve-settings.ts";
import { SeenController } from "../../../broker/cluster/seen-controller.ts";
import { UpdateReceiver } from "../../../broker/cluster/update-receiver.ts";
import { ZookeeperIsrStore } from "../../../broker/cluster/zookeeper-isr-store.ts";
import { Controller } from "../../../broker/controller/controller.ts";
import type { ControllerSettings } from "../../../broker/controller/controller-term.ts";
import { resourceRules } from "../../../broker/controller/setting-rules.ts";
import type { ClusterView } from "../../../broker/partition/cluster-contract.ts";
import { peerHandlers } from "../../../broker/peer-api/peer-handlers.ts";
import { type PeerHandler, type PeerHandlers, type PeerRequester, PeerUnavailable } from "../../../broker/runtime/peer-port.ts";
import { isPresentTerm } from "../../../coordinator-client/known-controller.ts";
import { type MemoryCoordinator, MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { decodeController } from "../../../coordinator-client/znodes/controller-node.ts";
import { decodePartitionState, type PartitionState } from "../../../coordinator-client/znodes/partition-state.ts";
import { decodeTopicAssignment } from "../../../coordinator-client/znodes/topic-assignment.ts";
import { type Clock, sleep } from "../../../protocol/base/clock.ts";
import type { SupportedFeatures } from "../../../protocol/base/features.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { type Random, seededRandom } from "../../../protocol/base/random.ts";
import type { Address } from "../../../protocol/base/transport.ts";
import type { PartitionRecord, PeerKind, PeerRequest, PeerStatus } from "../../../protocol/peer/messages.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { foundCluster } from "../../support/memory-cluster.ts";
import { controllerDefaults } from "./controller-settings.ts";
import { RecordedRoles } from "./recorded-roles.ts";
import { ScriptedWatch } from "./scripted-watch.ts";

const sessionTimeoutMs = 6_000;
const untilMaxMs = 120_000;

export interface WorldOptions {
  readonly seed?: number;
  readonly settings?: Partial<ControllerSettings>;
  /** What its brokers support, unless another was said of one. */
  readonly features?: SupportedFeatures;
  /** The controllers'. */
  readonly log?: Logger;
}

/** What this world's brokers do not ask each other. */
const neverAsked = (): never => {
  throw new Error("not asked here");
};
const [replicaFetch, forward, heartbeat, committedEnds] = [neverAsked, neverAsked, neverAsked, neverAsked];
const unasked = { replicaFetch, forward, heartbeat, committedEnds, joinTransaction: neverAsked, writeMarkers: neverAsked };

const clusterId = "test-cluster";

/** One life of one broker, without partitions and network. */
export class Node {
  readonly id: number;
  readonly owner: string;
  readonly clock: Clock;
  readonly coordinator: MemoryCoordinator;
  readonly membership: Membership;
  readonly controller: Controller;
  readonly images: ImageStore;
  readonly roles: RecordedRoles;
  readonly isrStore: ZookeeperIsrStore;
  readonly link: ControllerLink;
  readonly watch: ScriptedWatch;
  readonly handlers: Pick<PeerHandlers, "metadata-update" | "isr-changed" | "controlled-shutdown" | "replicas-offline" | "hand-over">;
  isAlive = true;
  /** What it does when it is asked to hand over. */
  handOver = async (_request: PeerRequest<"hand-over">): Promise<PeerStatus> => ({ error: "NONE", message: "" });
  readonly #abort = new AbortController();

  constructor(world: World, id: number, life: number, rack: string | null) {
    this.id = id;
    this.owner = `broker ${id}, life ${life}`;
    this.clock = world.sim.forOwner(this.owner);
    this.coordinator = world.ensemble.open({ sessionTimeoutMs, log: silentLogger });
    const { clock, coordinator } = this;
    const peers = world.peersOf(this);
    const random = world.random;
    const log = silentLogger;
    this.images = new ImageStore(clusterId);
    this.watch = new ScriptedWatch(this.images);
    this.roles = new RecordedRoles(world.diskOf(id));
    const resolveSettings = settingsResolver(id, {});
    // killed, never stopped: each process begins after an unclean stop
    let firstEpoch = -1;
    const seen = new SeenController({ clusterId, controllerEpoch: world.seenBy(id), store: (known) => world.remember(id, known) });
    this.membership = new Membership({
      coordinator,
      brokerId: id,
      known: seen,
      registration: () => ({
        endpoints: [{ listener: "PLAINTEXT", securityProtocol: "PLAINTEXT", host: "localhost", port: 9000 + id }],
        rack,
        features: world.featuresOf(id),
        incarnation: `directory-${id}`,
        peer: { host: "localhost", port: id },
        timestampMs: clock.nowMs(),
        recoveredUnder: firstEpoch,
      }),
      clock,
      log,
      events: {
        registered: (brokerEpoch) => {
          if (firstEpoch < 0) firstEpoch = brokerEpoch;
          this.controller.consider();
        },
        lost: () => {
          this.controller.registrationLost();
          this.roles.standDown();
          reporter.drop();
        },
        failed: (error) => {
          throw error;
        },
      },
    });
    this.controller = new Controller(
      {
        brokerId: id,
        coordinator,
        peers,
        clock,
        random,
        log: world.options.log ?? log,
        settings: { ...controllerDefaults, supportedFeatures: world.featuresOf(id), ...world.options.settings },
        rules: resourceRules(() => settingLayers(id, {}, this.images.current.brokerConfigs)),
        resolveSettings,
        seen,
        watch: this.watch,
      },
      () => this.membership.epoch >= 0,
    );
    this.link = new ControllerLink({ peers, images: this.images, holder: () => this.controller.holder });
    const reporter = new IsrReporter(
      { brokerId: id, membership: this.membership, controller: this.link, clock, random, log },
      this.#abort.signal,
    );
    const replicas = new ReplicaReporter(
      { brokerId: id, membership: this.membership, images: this.images, controller: this.link, clock, random, log },
      this.#abort.signal,
    );
    this.roles.report = (replica, health) => replicas.report(replica, health);
    this.isrStore = new ZookeeperIsrStore({ coordinator, images: this.images, reporter, clock });
    const view = clusterView({ brokerId: id, images: this.images, membership: this.membership, session: coordinator, watch: this.watch });
    this.images.onChange((image) => {
      for (const topic of image.topics.values()) for (const record of topic.partitions) this.#takeOutWhoLeft(view, topic, record);
    });
    const updates = new UpdateReceiver({
      brokerId: id,
      isPresentTerm: (claimed) => isPresentTerm(coordinator, claimed),
      images: this.images,
      roles: this.roles,
      view,
      seen,
      localReplicas: () => [...this.roles.disk.values()].map(({ topic, partition, topicId }) => ({ ref: { topic, partition }, topicId })),
      resolveSettings,
      log,
    });
    this.handlers = peerHandlers({
      ...unasked,
      vote: { answer: neverAsked },
      updates,
      controller: this.controller,
      handOver: async (request) => ({ body: await this.handOver(request) }),
    });
    this.membership.start();
    this.controller.start();
  }

  /** As leaders do. */
  #takeOutWhoLeft(view: ClusterView, topic: TopicImage, record: PartitionRecord): void {
    const { partition, leader, leaderEpoch, isrEpochs, stateVersion: expectedVersion } = record;
    const isr = record.isr.filter(
      (other) => view.hasReplica(other, topic.id, partition) || view.stopsAsWeDo(other, { topicId: topic.id, partition }),
    );
    if (leader !== this.id || isr.length === record.isr.length || !record.isr.includes(this.id)) return;
    const from = { leader, leaderEpoch, formerSize: record.isr.length, expectedVersion };
    const change = { topic: topic.name, topicId: topic.id, partition, isrEpochs, ...from };
    void this.isrStore.writeIsr({ ...change, isr: isr.includes(this.id) ? isr : [...isr, this.id] });
  }

  controlledShutdown(): Promise<boolean> {
    const { id, membership, link, clock } = this;
    return controlledShutdown(
      { brokerId: id, membership, controller: link, clock, log: silentLogger, retriesMax: 3, retryBackoffMs: 500 },
      { timeoutMs: 20_000 },
    );
  }

  /** As SIGKILL: nothing of it happens any more. */
  end(): void {
    this.isAlive = false;
    this.coordinator.cut();
    this.controller.stop();
    this.membership.stop();
    this.#abort.abort();
  }

  async close(): Promise<void> {
    this.controller.stop();
    this.membership.stop();
    this.#abort.abort();
    await this.coordinator.close();
    this.isAlive = false;
  }
}

/** Brokers' cluster parts on an ensemble in memory, on simulated time. */
export class World {
  readonly sim = new SimClock();
  readonly random: Random;
  readonly ensemble: MemoryEnsemble;
  readonly options: WorldOptions;
  readonly nodes = new Map<number, Node>();
  /** Peer messages are lost while this says so. */
  isLost: (from: number, to: number, kind: PeerKind) => boolean = () => false;
  /** Brokers that support something else than the others. */
  readonly features = new Map<number, SupportedFeatures>();
  /** Disks that take nothing until this is settled. */
  readonly stalls = new Map<number, Promise<void>>();
  readonly #lives = new Map<number, number>();
  readonly #seen = new Map<number, number>();
  readonly #disks = new Map<number, RecordedRoles["disk"]>();
  readonly #leaders = new Map<string, number>();
  readonly #checkedZxids = new Map<string, number>();
  readonly #epochs = new Map<string, number>();

  constructor(options: WorldOptions = {}) {
    this.options = options;
    this.random = seededRandom(options.seed ?? 1);
    this.ensemble = new MemoryEnsemble({ clock: this.sim.forOwner("zookeeper"), latencyMs: () => 1 });
    foundCluster(this.ensemble, clusterId);
  }

  featuresOf(id: number): SupportedFeatures {
    return this.features.get(id) ?? this.options.features ?? new Map();
  }

  /** Its disk's controller epoch. */
  seenBy(id: number): number {
    return this.#seen.get(id) ?? -1;
  }

  async remember(id: number, { controllerEpoch }: { readonly controllerEpoch: number }): Promise<void> {
    await this.stalls.get(id);
    this.#seen.set(id, controllerEpoch);
  }

  async start(...ids: number[]): Promise<Node> {
    for (const id of ids) this.startNode(id);
    await this.until("the brokers know each other", () =>
      ids.every((id) => this.node(id).images.current.brokers.size >= this.aliveIds.length),
    );
    return this.node(ids[0]!);
  }

  startNode(id: number, rack: string | null = null): Node {
    const life = (this.#lives.get(id) ?? 0) + 1;
    this.#lives.set(id, life);
    const node = new Node(this, id, life, rack);
    this.nodes.set(id, node);
    return node;
  }

  get aliveIds(): number[] {
    return [...this.nodes.values()].filter(({ isAlive }) => isAlive).map(({ id }) => id);
  }

  /** The ensemble comes up with an older state, or none: what was seen of it before says nothing of what comes. */
  restore(backup?: Parameters<MemoryEnsemble["restore"]>[0]): void {
    this.ensemble.restore(backup);
    for (const seen of [this.#leaders, this.#checkedZxids, this.#epochs]) seen.clear();
  }

  node(id: number): Node {
    return this.nodes.get(id)!;
  }

  /** The session ends at once (`expire`), or when the ensemble has missed it for long enough. */
  kill(id: number, { expire = true } = {}): void {
    const node = this.node(id);
    if (expire) node.coordinator.expireSession();
    node.end();
    this.sim.end(node.owner);
  }

  get controller(): Controller {
    const [leading, ...others] = [...this.nodes.values()].filter(({ isAlive, controller }) => isAlive && controller.isController);
    invariant(leading !== undefined && others.length === 0, "one controller", () => ({ ids: others.map(({ id }) => id) }));
    return leading.controller;
  }

  /** Waits until a living broker other than `previous` serves as the controller. */
  async controllerAfter(previous: number): Promise<void> {
    await this.until("another controller", () =>
      [...this.nodes.values()].some(({ id, isAlive, controller }) => isAlive && controller.isController && id !== previous),
    );
  }

  get controllerId(): number | null {
    const node = this.ensemble.tree.read("/controller");
    return node === null ? null : decodeController("/controller", node.data).brokerId;
  }

  state(topic: string, partition = 0): PartitionState {
    const path = `/brokers/topics/${topic}/partitions/${partition}/state`;
    const node = this.ensemble.tree.read(path);
    invariant(node !== null, "the state is there", () => ({ path }));
    return decodePartitionState(path, node.data);
  }

  exists(path: string): boolean {
    return this.ensemble.tree.read(path) !== null;
  }

  assignment(topic: string): readonly (readonly number[])[] {
    const path = `/brokers/topics/${topic}`;
    return decodeTopicAssignment(path, this.ensemble.tree.read(path)!.data).partitions;
  }

  diskOf(id: number): RecordedRoles["disk"] {
    const disk = this.#disks.get(id) ?? new Map();
    this.#disks.set(id, disk);
    return disk;
  }

  peersOf(from: Node): PeerRequester {
    return {
      request: async <K extends PeerKind>(to: Address, kind: K, body: PeerRequest<K>) => {
        await sleep(from.clock, 1);
        const target = this.nodes.get(to.port);
        const handler = target?.handlers[kind as keyof Node["handlers"]] as PeerHandler<K> | undefined;
        if (target === undefined || !target.isAlive || handler === undefined || this.isLost(from.id, to.port, kind)) {
          await sleep(from.clock, 5);
          throw new PeerUnavailable(`no link to broker ${to.port}`);
        }
        const answer = await handler(structuredClone(body), Buffer.alloc(0), "test");
        await sleep(from.clock, 1);
        return { body: structuredClone(answer.body), payload: Buffer.alloc(0) };
      },
    };
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const deadlineMs = this.sim.nowMs + untilMaxMs;
    while (!condition()) {
      if (this.sim.nowMs > deadlineMs) throw new Error(`never came: ${what}`);
      await this.step();
    }
  }

  /** Lets time pass while `work` is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = work.finally(() => {
      isDone = true;
    });
    settled.catch(() => undefined);
    await this.until("the work is done", () => isDone);
    return settled;
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.sim.nowMs + ms;
    this.sim.schedule("test", ms, () => {});
    while (this.sim.nowMs < endMs) await this.step();
  }

  async step(): Promise<void> {
    invariant(await this.sim.step(), "something is left to happen");
    this.#checkStates();
  }

  /** One leader per epoch, epochs that only rise, a leader in its own in-sync set: whatever happens. */
  #checkStates(): void {
    for (const topic of this.ensemble.tree.children("/brokers/topics")?.names ?? []) {
      const id = this.ensemble.tree.read(`/brokers/topics/${topic}`)?.createdZxid;
      for (const partition of this.ensemble.tree.children(`/brokers/topics/${topic}/partitions`)?.names ?? []) {
        const node = this.ensemble.tree.read(`/brokers/topics/${topic}/partitions/${partition}/state`);
        const key = `${topic}:${id}:${partition}`;
        if (node === null || this.#checkedZxids.get(key) === node.modifiedZxid) continue;
        this.#checkedZxids.set(key, node.modifiedZxid);
        const state = this.state(topic, Number(partition));
        const known = this.#leaders.get(`${key}:${state.leaderEpoch}`);
        invariant(known === undefined || known === state.leader, "one leader per epoch", () => ({ key, state, known }));
        this.#leaders.set(`${key}:${state.leaderEpoch}`, state.leader);
        invariant((this.#epochs.get(key) ?? -1) <= state.leaderEpoch, "epochs only rise", () => ({ key, state }));
        this.#epochs.set(key, state.leaderEpoch);
        invariant(state.leader === -1 || state.isr.includes(state.leader), "a leader is in its own ISR", () => ({ key, state }));
        invariant(state.isr.length > 0, "the last in-sync members are remembered", () => ({ key, state }));
      }
    }
  }
}
