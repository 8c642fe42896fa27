import type { ServerDelayMs } from "../../coordinator-client/memory/server.ts";
import { type MemoryCoordinator, MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";
import { type Random, randomInt, seededRandom } from "../../protocol/base/random.ts";
import { AcknowledgementObserver } from "./acknowledgement-observer.ts";
import { BalanceObserver } from "./balance-observer.ts";
import { Checker } from "./checker.ts";
import { FleetingTopic, fleetingTopic } from "./fleeting-topic.ts";
import { GroupWorkload } from "./group-workload.ts";
import { HighWatermarkObserver } from "./high-watermark-observer.ts";
import { NearReaders } from "./near-readers.ts";
import { type ObservedPartition, type ObservedState, TreeObserver } from "./observer.ts";
import { type Plan, plain } from "./plan.ts";
import { SimBroker, seedFrom } from "./sim-broker.ts";
import { SimClock } from "./sim-clock.ts";
import { SimNetwork } from "./sim-network.ts";
import { Trace, type TraceSink } from "./trace.ts";
import { setTransactionVersion } from "./transaction-version.ts";
import { TransactionWorkload, transactionStateTopic } from "./transaction-workload.ts";
import { Trust } from "./trust.ts";
import { WireTap } from "./wire-tap.ts";
import { Workload } from "./workload.ts";

export const topic = "orders";
const offsetsTopic = "__consumer_offsets";
const ownTopics: ReadonlySet<string> = new Set([offsetsTopic, transactionStateTopic]);
export const partitions = 2;
export const sessionTimeoutMs = 3000;
export const coordinatorServers = 3;
const brokerIds = [1, 2, 3];

/** A whole cluster with its clients, in one process: simulated clock, network, disks and coordinator around the shipped code. */
export class World {
  readonly clock = new SimClock();
  readonly random: Random;
  readonly trace: Trace;
  readonly network: SimNetwork;
  readonly ensemble: MemoryEnsemble;
  readonly brokers: readonly SimBroker[];
  readonly observer: TreeObserver;
  readonly acknowledgements: AcknowledgementObserver;
  readonly checker: Checker;
  /** Null: the controller moves nothing by itself. */
  readonly balance: BalanceObserver | null;
  readonly #tap: WireTap;
  readonly workload: Workload;
  readonly group: GroupWorkload | null;
  readonly fleeting: FleetingTopic | null;
  readonly near: NearReaders | null;
  readonly transactions: TransactionWorkload | null;
  /** How often a broker lost what was not on its disk. */
  losses = 0;
  readonly minInsyncReplicas: number;
  readonly plan: Plan;
  readonly topic = topic;
  readonly seed: number;
  /** The most milliseconds that are added to the latency of a message to or from the coordinator. */
  coordinatorDelayMs = 0;
  /**
   * By number: how long a message from a server of the coordinator to its leader takes at most, and how far it is behind at most.
   * Milliseconds.
   */
  readonly serverLags = Array.from({ length: coordinatorServers }, () => ({ "to-leader": 2, behind: 4 }));
  /** It has an older state than it had, or none: the ISRs are unknown, so no broker may lose anything. */
  isCoordinatorWrong = false;
  /** An error that a broker is expected to log. */
  isExpectedError: (what: string) => boolean = () => false;
  /** By partition: the replicas that it is to have in the end, where partitions were moved. */
  readonly intended = new Map<number, readonly number[]>();
  /** `partition:replicas` that were asked for. */
  readonly asked = new Set<string>();
  /** What broke, in order; the simulation ends at the first. */
  readonly violations: string[] = [];
  readonly #trust: Trust;
  #operator: MemoryCoordinator | null = null;

  constructor(seed: number, sink: TraceSink | null, settings: Readonly<Record<string, string>> = {}, plan: Plan = plain) {
    const random = seededRandom(seed);
    this.random = random;
    this.seed = seed;
    this.plan = plan;
    const isForsaken = (name: string) => name === fleetingTopic;
    this.#trust = new Trust({ brokers: () => this.brokers, observer: () => this.observer, isForsaken });
    this.trace = new Trace(this.clock, sink);
    // a broker logs it when its disk fails, and which replicas it takes offline for that
    this.trace.onError = (what) => {
      const broker = this.brokers.find(({ host }) => what.startsWith(`${host}#`));
      // what an earlier life was about to log when it was killed is ignored
      const isHeard = broker === undefined || what.startsWith(`${broker.owner} `);
      const isExpected = broker?.hasDiskFailure || (plan.mayRot && what.includes("damaged")) || this.isExpectedError(what);
      if (isHeard && !isExpected) this.violated(what);
    };
    this.network = new SimNetwork(this.clock, seededRandom(seedFrom(random)), (line) => this.trace.line(line, true));
    const latency = seededRandom(seedFrom(random));
    this.ensemble = new MemoryEnsemble({
      clock: this.clock.forOwner("zk"),
      latencyMs: () => 0.2 + (2 + this.coordinatorDelayMs) * latency.next(),
      ...(plan.hasLaggingServers ? { servers: coordinatorServers, serverDelayMs: this.#laggingServers(seed) } : {}),
    });
    this.minInsyncReplicas = 1 + randomInt(random, 2);
    const diskMaxMs = [0.05, 1, 10][randomInt(random, 3)] ?? 1;
    this.brokers = brokerIds.map(
      (id) =>
        new SimBroker(id, {
          clock: this.clock,
          network: this.network,
          ensemble: this.ensemble,
          random: seededRandom(seedFrom(random)),
          trace: this.trace,
          settings: { ...brokerSettings, ...(plan.isReadCloseBy ? sendingToRacks : {}), ...plan.brokerSettings, ...settings },
          diskLatencyMs: { min: 0.01, max: diskMaxMs },
          sessionTimeoutMs: plan.sessionTimeoutMs,
          onUncleanEnd: (broker) => this.#trust.endedUncleanly(broker),
          onFatal: this.violated,
        }),
    );
    this.observer = new TreeObserver(this.ensemble, topic, {
      onViolation: this.violated,
      isUncleanAllowed: (name) => name === fleetingTopic,
      onChange: (about, before) => this.#changed(about, before),
    });
    this.checker = new Checker({
      topic,
      partitions,
      brokers: this.brokers,
      observer: this.observer,
      retention: plan.retention,
      nowMs: () => this.clock.latestWallMs,
      mayLackRecords: (broker, partition) => this.mayLackRecords(broker, partition),
      onViolation: this.violated,
    });
    this.balance = plan.isBalanced ? this.#balanceObserver() : null;
    const isCompacted = (name: string) => ownTopics.has(name) || (name === topic && this.checker.isCompacted);
    const highWatermarks = new HighWatermarkObserver({
      brokers: this.brokers,
      observer: this.observer,
      isCompacted,
      mayLackRecords: (broker, name, partition) => name === fleetingTopic || this.mayLackRecords(broker, partition, name),
      onViolation: this.violated,
    });
    this.acknowledgements = new AcknowledgementObserver({
      brokers: this.brokers,
      ensemble: this.ensemble,
      observer: this.observer,
      nowMs: () => this.clock.nowMs,
      sessionTimeoutMs: plan.sessionTimeoutMs,
      mayServersLag: plan.hasLaggingServers,
      isCompacted,
      mayRot: plan.mayRot,
      onViolation: this.violated,
    });
    this.#tap = new WireTap(() => this.clock.nowMs, {
      onReplicaFetchAnswered: (by, _follower, asked, answer) => highWatermarks.told(by, asked, answer),
      onUpdateTaken: (by, update) => this.acknowledgements.updateTaken(by, update),
      onProduceAnswered: (by, answer) => this.acknowledgements.produceAnswered(by, answer),
    });
    this.network.tap = this.#tap;
    const bootstrap = "b1:9092,b2:9092,b3:9092";
    this.workload = new Workload({
      clock: this.clock,
      network: this.network,
      trace: this.trace,
      random: seededRandom(seedFrom(random)),
      topic,
      partitions,
      bootstrap,
      offsetReset: plan.retention === null ? "none" : "earliest",
      onAcknowledged: (record) => this.checker.acknowledged(record),
      onConsumed: (record) => this.checker.consumed(record),
      onViolation: this.violated,
    });
    const runtime = (owner: string) => this.workload.runtimeFor(owner);
    const clients = { clock: this.clock, trace: this.trace, bootstrap, runtime, onViolation: this.violated };
    this.group = plan.hasGroup ? new GroupWorkload({ ...clients, random: seededRandom(seedFrom(random)), topic, partitions }) : null;
    const nearby = {
      ...clients,
      topic,
      partitions,
      brokers: brokerIds,
      offsetReset: plan.retention === null ? "none" : "earliest",
    } as const;
    this.near = plan.isReadCloseBy
      ? new NearReaders({
          ...nearby,
          random: seededRandom(seedFrom(random)),
          checker: () => this.checker,
          leaderOf: (partition) => this.observer.state(partition)?.leader ?? -1,
        })
      : null;
    const observer = () => this.observer;
    const fleeting = { ...clients, brokers: this.brokers, observer, losses: () => this.losses };
    this.fleeting = plan.hasFleetingTopic ? new FleetingTopic({ ...fleeting, random: seededRandom(seedFrom(random)) }) : null;
    this.transactions = plan.hasTransactions ? this.#transactionWorkload(bootstrap) : null;
  }

  readonly violated = (what: string | Error): void => {
    const claim = typeof what === "string" ? what : `${what.name}: ${what.message}`;
    this.trace.line(`VIOLATION ${claim}`);
    this.violations.push(claim);
  };

  /**
   * The power of a broker fails: it may lack records until its next life is seen outside the ISR. This holds even if it was not in the ISR
   * when the power failed: a leader's write that adds it may be on its way.
   */
  losePower(broker: SimBroker, kind: "power" | "power-silent"): void {
    this.distrust(broker);
    broker.crash(kind);
  }

  /** The coordinator ends the session of this broker, which learns of it when it hears from there. */
  expireSession(broker: SimBroker): void {
    this.trace.line(`${broker.host} loses its session`);
    this.acknowledgements.sessionEnds(broker.id);
    broker.coordinator?.expireSession();
  }

  /** What some operators do to get another controller. */
  deleteController(): void {
    this.trace.line("somebody deletes /controller");
    const operator = this.#theOperator();
    void operator.connected().then(() => operator.write([{ kind: "delete", path: "/controller", version: -1 }]));
  }

  #theOperator(): MemoryCoordinator {
    this.#operator ??= this.ensemble.open({ sessionTimeoutMs, log: this.trace.logger("operator") });
    return this.#operator;
  }

  /** By a random source of its own: other runs are as they were. */
  #transactionWorkload(bootstrap: string): TransactionWorkload {
    const random = seededRandom(this.seed * 67_867_967 + 3);
    const { clock, network, trace, plan, violated } = this;
    const finalize = (version: number) => {
      if (!this.isCoordinatorWrong) setTransactionVersion(this.#theOperator(), version, trace);
    };
    const rack = plan.isReadCloseBy ? `r${brokerIds[randomInt(random, brokerIds.length)]}` : null;
    return new TransactionWorkload({ clock, network, trace, random, bootstrap, rack, finalize, onViolation: violated });
  }

  /** It may lack records, whatever the coordinator says. */
  distrust(broker: SimBroker): void {
    this.losses++;
    this.#trust.distrust(broker);
  }

  /** Its replica of a partition is damaged, in the ISR or not, for as long as it is the replica that `isStill` checks. */
  rotted(broker: SimBroker, partition: number, isStill: () => boolean): void {
    this.#trust.rotted(broker, `${topic}-${partition}`, isStill);
  }

  mayLackRecords(broker: number, partition: number, name = topic): boolean {
    return this.#trust.mayLackRecords(broker, name, partition) || this.observer.isOfEarlierLife(broker, name, partition);
  }

  mayTakeAway(broker: SimBroker, losing: boolean): boolean {
    if (this.isCoordinatorWrong && losing) return false;
    return this.#trust.mayTakeAway(broker, losing);
  }

  get isInDanger(): boolean {
    return this.#trust.isInDanger;
  }

  /** Runs until `condition` holds. False: not within `limitMs` of simulated time, or something broke. */
  async until(condition: () => boolean, limitMs: number, lookEveryMs = 250): Promise<boolean> {
    const endMs = this.clock.nowMs + limitMs;
    let lookMs = this.clock.nowMs;
    while (this.violations.length === 0) {
      if (condition()) return true;
      if (this.clock.nowMs >= endMs) return false;
      if (!(await this.clock.step())) return false;
      this.observer.look();
      if (this.isCoordinatorWrong) this.balance?.forget();
      else this.balance?.look();
      this.acknowledgements.lookAtRegistrations();
      this.#trust.look();
      if (this.clock.nowMs < lookMs) continue;
      lookMs = this.clock.nowMs + lookEveryMs;
      this.checker.look();
      this.fleeting?.look();
      this.acknowledgements.lookAtWaiting(this.#tap);
    }
    return false;
  }

  #changed({ topic: name, partition, state }: ObservedPartition, before: ObservedState | null): void {
    this.trace.line(`${name}-${partition}: leader ${state.leader} epoch ${state.leaderEpoch} isr ${state.isr}`);
    if (name === topic && before !== null) this.checker.lookAtMembers(partition);
    // elected because no better one is left: commits may be gone with what it lacks
    const isLed = state.leader >= 0 && state.leaderEpoch !== before?.leaderEpoch;
    if (!isLed || name === topic || name === fleetingTopic || !this.mayLackRecords(state.leader, partition, name)) return;
    if (name === offsetsTopic) this.group?.commitsMayBeGone();
    this.transactions?.recordsMayBeGone();
  }

  #balanceObserver(): BalanceObserver {
    return new BalanceObserver({
      tree: () => this.ensemble.tree,
      observer: this.observer,
      brokers: brokerIds,
      nowMs: () => this.clock.nowMs,
      onViolation: this.violated,
      wasAsked: (name, partition, replicas) => name === topic && this.asked.has(`${partition}:${replicas}`),
    });
  }

  #laggingServers(seed: number): ServerDelayMs {
    const random = seededRandom(seed * 32_452_843 + 7);
    return (server, way) => random.next() ** 2 * (this.serverLags[server]?.[way] ?? 0);
  }

  /** These are its replicas, and no others are added or removed; in this order, unless the controller may change that by itself. */
  isAssigned(partition: number, replicas: readonly number[]): boolean {
    const assigned = this.observer.assignment(partition);
    const shown = (ids: readonly number[]) => (this.plan.isBalanced ? ids.toSorted() : ids).join();
    return assigned !== null && !assigned.isChanging && shown(assigned.replicas) === shown(replicas);
  }

  get isConverged(): boolean {
    for (let partition = 0; partition < partitions; partition++) {
      const state = this.observer.state(partition);
      if (state === null || state.leader < 0 || state.isr.length < this.brokers.length) return false;
      const intended = this.intended.get(partition);
      if (intended !== undefined && !this.isAssigned(partition, intended)) return false;
    }
    return this.brokers.every(({ isReady }) => isReady);
  }
}

const sendingToRacks = { "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector" };

/** Everything a little faster than by default, so that a short run covers much. */
const brokerSettings = {
  "replica.lag.time.max.ms": "2000",
  "replica.fetch.wait.max.ms": "300",
  "replica.fetch.backoff.ms": "100",
  "replica.socket.timeout.ms": "2000",
  "replica.high.watermark.checkpoint.interval.ms": "400",
  "log.flush.offset.checkpoint.interval.ms": "3000",
  "leader.imbalance.check.interval.seconds": "5",
  "log.cleaner.backoff.ms": "50",
  "controller.socket.timeout.ms": "2000",
  "request.timeout.ms": "3000",
  "auto.create.topics.enable": "false",
  "zookeeper.connection.timeout.ms": "6000",
  "ottla.reassignment.partitions.at.once": "1",
  "offsets.topic.num.partitions": "2",
  "group.initial.rebalance.delay.ms": "100",
  "group.min.session.timeout.ms": "1000",
};
