import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import type { Clock, Timer } from "../../protocol/base/clock.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type {
  ControlledShutdownRequest,
  ControlledShutdownResponse,
  IsrChangedRequest,
  PartitionRecord,
  PeerStatus,
  ReplicasOfflineRequest,
} from "../../protocol/peer/messages.ts";
import type { ResolveSettings } from "../cluster/roles.ts";
import type { SeenController } from "../cluster/seen-controller.ts";
import type { PeerRequester } from "../runtime/peer-port.ts";
import { AdminOperations, type AdminSettings } from "./admin-operations.ts";
import { brokerChanges } from "./broker-changes.ts";
import { ClusterLoader } from "./cluster-loader.ts";
import { ClusterStore } from "./cluster-store.ts";
import { ConfigNotifications } from "./config-notifications.ts";
import { ConfigWriter, type ResourceRules } from "./config-writer.ts";
import type { ConfigChange, Verdict } from "./contract.ts";
import { type TopicState, usableBrokers, withBrokers, withPartitions, withShuttingDown } from "./controller-state.ts";
import { DeletionRecords } from "./deletion-records.ts";
import { dirtyPartitions, nothingDirty } from "./dirty-set.ts";
import { isImbalanced, leave, prefer, repair } from "./elections.ts";
import { EventQueue } from "./event-queue.ts";
import { FencedWriter, type Term } from "./fenced-writer.ts";
import { adoptableReports } from "./isr-reports.ts";
import { namesEarlierLife, standingOf } from "./isr-standing.ts";
import { takeOfflineReport } from "./offline-reports.ts";
import { StartingLeaders } from "./starting-leaders.ts";
import { StateBook } from "./state-book.ts";
import { partitionsWhere, StateWriter } from "./state-writer.ts";
import { TopicCreator } from "./topic-creator.ts";
import { TopicDeleter } from "./topic-deleter.ts";
import { UpdateSender } from "./update-sender.ts";

export interface ControllerParts {
  readonly brokerId: BrokerId;
  readonly coordinator: Coordinator;
  readonly peers: PeerRequester;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly settings: ControllerSettings;
  readonly rules: ResourceRules;
  readonly resolveSettings: ResolveSettings;
  readonly seen: Pick<SeenController, "controllerEpoch" | "note">;
}

export interface ControllerSettings extends Omit<AdminSettings, "topicRules"> {
  /** `auto.leader.rebalance.enable` */
  readonly autoLeaderRebalanceEnabled: boolean;
  readonly leaderImbalanceCheckIntervalMs: number;
  /** Of the leaderships a broker is preferred for; above it, those led elsewhere move back. */
  readonly leaderImbalancePerBrokerPercent: number;
  /** How long a controlled shutdown waits until every broker knows the new leaders. */
  readonly requestTimeoutMs: number;
}

const nothingRemains = { remaining: [], mayMoveLater: false } as const;

/** Requests that may wait for their turn. */
const requestsWaitingMax = 1_000;

/**
 * One term as controller: from winning `/controller` to losing it, with all that is kept in memory for it. Its events run one after the
 * other.
 */
export class ControllerTerm {
  readonly #parts: ControllerParts;
  readonly #term: Term;
  readonly #abort = new AbortController();
  readonly #queue: EventQueue;
  readonly #writer: FencedWriter;
  readonly #book: StateBook;
  readonly #sender: UpdateSender;
  readonly #states: StateWriter;
  readonly #loader: ClusterLoader;
  readonly #deleter: TopicDeleter;
  readonly #deletions: DeletionRecords;
  /** Said by brokers, and not on record yet. */
  #deletedOnBrokers = new Map<BrokerId, Set<TopicId>>();
  readonly #configs: ConfigWriter;
  readonly #notifications: ConfigNotifications;
  readonly #store: ClusterStore;
  readonly #over: (reason: unknown) => void;
  readonly #unwatch: (() => void)[] = [];
  readonly #starting = new StartingLeaders();
  #balanceTimer: Timer | null = null;
  readonly admin: AdminOperations;

  /** `onOver`: the term cannot go on (deposed, or a write whose outcome cannot be told): called once at most, `stop` is the caller's. */
  constructor(term: Term, parts: ControllerParts, onOver: (reason: unknown) => void) {
    const { coordinator, clock, random, log, peers, settings, rules, brokerId } = parts;
    const { signal } = this.#abort;
    const over = (reason: unknown) => {
      if (!signal.aborted) onOver(reason);
    };
    this.#parts = parts;
    this.#term = term;
    this.#over = over;
    this.#queue = new EventQueue({
      waitingMax: requestsWaitingMax,
      onFailure: (key, error) => {
        if (error instanceof InvariantViolation) throw error;
        log.warn({ err: error, event: key }, "controller event failed");
        over(error);
      },
    });
    this.#store = new ClusterStore(coordinator, term.controllerEpoch);
    this.#writer = new FencedWriter(coordinator, term, clock, signal);
    this.#book = new StateBook((dirty) => this.#sender.changed(dirty));
    const starting = this.#starting;
    this.#sender = new UpdateSender(
      { controllerId: brokerId, controllerEpoch: term.controllerEpoch },
      {
        peers,
        clock,
        random,
        log,
        state: () => this.#book.current,
        startingLeaders: () => starting.current,
        events: {
          acknowledged: (id, changeNumber) => {
            if (starting.acknowledged(id, changeNumber)) this.#sender.changed({ ...nothingDirty, brokers: true });
          },
          deposed: () => over(new Error("a broker knows a newer controller")),
          deleted: (id, topicIds) => this.#deletedOn(id, topicIds),
        },
      },
    );
    const creator = new TopicCreator(this.#store, this.#writer, this.#book, starting);
    const nowMs = () => clock.nowMs();
    this.#deleter = new TopicDeleter(this.#store, this.#writer, this.#book, nowMs);
    this.#deletions = new DeletionRecords({ store: this.#store, writer: this.#writer, book: this.#book, log, nowMs });
    this.#states = new StateWriter(this.#store, this.#writer, this.#book);
    this.#loader = new ClusterLoader({ store: this.#store, writer: this.#writer, book: this.#book, creator, random, log });
    this.#configs = new ConfigWriter(this.#store, this.#writer, this.#book, rules);
    this.#notifications = new ConfigNotifications(this.#store, this.#writer, this.#configs, log);
    this.admin = new AdminOperations({
      book: this.#book,
      creator,
      deleter: this.#deleter,
      states: this.#states,
      random,
      settings: { ...settings, topicRules: rules.topic },
    });
  }

  get term(): Term {
    return this.#term;
  }

  start(): void {
    this.#queue.signal("load", () => this.#load());
  }

  /** Nothing is begun, sent or written after this, and what was in memory is not used again. */
  stop(): void {
    this.#abort.abort(new Error("resigned"));
    this.#writer.revoke();
    this.#queue.close();
    this.#sender.stop();
    this.#balanceTimer?.cancel();
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
  }

  /**
   * Runs a request as one event, then waits (at most `timeoutMs`) until every live broker knows what it changed. Rejects with EventRefused,
   * Deposed, or what went wrong; the term is then over.
   */
  async request<T>(timeoutMs: number, run: () => Promise<T>): Promise<T> {
    const deadlineMs = this.#parts.clock.monotonicMs() + timeoutMs;
    const { answer, before, changeNumber } = await this.#queue.ask(async () => {
      const before = this.#book.changeNumber;
      const answer = await run().catch((error) => {
        // half of it may be written: the next term reads what there is and completes it
        this.#over(error);
        throw error;
      });
      const after = this.#book.changeNumber;
      return { answer, before, changeNumber: after === before ? null : after };
    });
    if (changeNumber === null) return answer;
    const isKnown = await this.#known(changeNumber, deadlineMs);
    // that their leaders serve them is news again; whoever asks for what was made next finds them
    if (isKnown && this.#starting.latestNumber > before) await this.#known(this.#sender.changeNumber, deadlineMs);
    return answer;
  }

  async #known(changeNumber: number, deadlineMs: number): Promise<boolean> {
    const leftMs = deadlineMs - this.#parts.clock.monotonicMs();
    return leftMs > 0 && this.#sender.acknowledged(changeNumber, leftMs);
  }

  /** Changes of settings, one after the other. A partition without a leader may find one under the new ones. */
  async alterConfigs(changes: readonly ConfigChange[], validateOnly: boolean): Promise<readonly Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const change of changes) verdicts.push(await this.#configs.alter(change, validateOnly));
    if (!validateOnly) await this.#repairLeaderless();
    return verdicts;
  }

  async #repairLeaderless(): Promise<void> {
    await this.#states.apply(this.admin.leaderless(), this.#repair);
  }

  async controlledShutdown({ brokerId, brokerEpoch }: ControlledShutdownRequest): Promise<ControlledShutdownResponse> {
    return this.request(this.#parts.settings.requestTimeoutMs, async () => {
      const known = this.#book.current.brokers.get(brokerId);
      if (known === undefined)
        return { error: "BROKER_ID_NOT_REGISTERED", message: `broker ${brokerId} is not registered`, ...nothingRemains };
      if (known.epoch !== brokerEpoch)
        return {
          error: "STALE_BROKER_EPOCH",
          message: `broker ${brokerId} has epoch ${known.epoch}, not ${brokerEpoch}`,
          ...nothingRemains,
        };
      this.#book.commit(withShuttingDown(this.#book.current, brokerId), { ...nothingDirty, brokers: true });
      const concerned = partitionsWhere(this.#book.current, ({ leader, replicas }) => leader === brokerId && replicas.length > 1);
      await this.#states.apply(concerned, leave(brokerId));
      const remaining = partitionsWhere(this.#book.current, ({ leader, replicas }) => leader === brokerId && replicas.length > 1);
      this.#parts.log.info({ brokerId, moved: concerned.length, remaining: remaining.length }, "controlled shutdown");
      // a replica whose broker is gone, or is going as well, will not be in sync in time
      const staying = new Set(usableBrokers(this.#book.current).map(({ id }) => id));
      const mayMove = partitionsWhere(
        this.#book.current,
        ({ leader, replicas }) => leader === brokerId && replicas.some((id) => staying.has(id)),
      );
      return { error: "NONE", message: "", remaining, mayMoveLater: mayMove.length > 0 };
    });
  }

  /** Takes over what a leader wrote; it is the coordinator's state already. */
  async isrChanged(request: IsrChangedRequest): Promise<PeerStatus> {
    return this.#queue.ask(async (): Promise<PeerStatus> => {
      if (this.#book.current.brokers.get(request.brokerId)?.epoch !== request.brokerEpoch)
        return { error: "STALE_BROKER_EPOCH", message: `broker ${request.brokerId} is not registered with epoch ${request.brokerEpoch}` };
      const changes = adoptableReports(this.#book.current, request);
      const named = changes.map(({ topic, record }) => ({ topic, partition: record.partition }));
      if (changes.length > 0) this.#book.commit(withPartitions(this.#book.current, changes), dirtyPartitions(named));
      // a member that has registered anew since the leader decided to take it in
      const { topics, topicNames } = this.#book.current;
      const reported = request.partitions.map(({ topicId, partition }) => ({ topic: topicNames.get(topicId) ?? "", partition }));
      const outdated = reported.filter(({ topic, partition }) => {
        const record = topics.get(topic)?.partitions[partition];
        return record !== undefined && namesEarlierLife(this.#book.current, record);
      });
      await this.#states.apply(outdated, this.#repair).catch((error) => {
        this.#over(error);
        throw error;
      });
      return { error: "NONE", message: "" };
    });
  }

  /**
   * A broker cannot use some of its replicas, or can use some again: whoever led there leads no more, and its leaders, which are told, take
   * it out of the in-sync sets.
   */
  async replicasOffline(request: ReplicasOfflineRequest): Promise<PeerStatus> {
    return this.#queue.ask(async (): Promise<PeerStatus> => {
      const taken = takeOfflineReport(this.#book.current, this.#term.controllerEpoch, request);
      if (taken.kind === "answered") return taken.status;
      const { brokerId, offline } = request;
      const fields = { brokerId, wentOffline: taken.wentOffline, reasons: offline.slice(0, 3).map(({ reason }) => reason) };
      if (taken.changed.length > 0) this.#parts.log.warn(fields, "a broker reports which of its replicas cannot be used");
      this.#book.commit(taken.state, { ...nothingDirty, offlineReplicas: true });
      await this.#states.apply(taken.changed, this.#repair).catch((error) => {
        this.#over(error);
        throw error;
      });
      return { error: "NONE", message: "" };
    });
  }

  readonly #isUncleanAllowed = (topic: TopicState): boolean =>
    this.#parts.resolveSettings(topic.config, this.#book.current.brokerConfigs).uncleanLeaderElectionEnable;

  readonly #repair = repair(this.#isUncleanAllowed);

  async #load(): Promise<void> {
    const { coordinator } = this.#parts;
    await this.#loader.ensureFolders();
    // watched before it is read: what changes in between is seen again
    const watched = (path: string, key: string, run: () => Promise<void>) =>
      this.#unwatch.push(coordinator.watch(path, "children", () => this.#queue.signal(key, run)));
    watched(this.#store.brokerIdsPath, "brokers", () => this.#brokersChanged());
    watched(this.#store.deletionsPath, "deletions", () => this.#deleteMarked());
    watched(this.#store.configChangesPath, "configs", () => this.#configsChanged());
    await this.#notifications.begin();
    // before the rest is read: what is half deleted must not be completed
    await this.#deleteMarked();
    await this.#loader.load();
    await this.#deletions.load();
    // before anyone is told: nobody may lead on under the epoch of an earlier life
    await this.#states.apply(
      partitionsWhere(this.#book.current, (record) => namesEarlierLife(this.#book.current, record)),
      this.#repair,
    );
    this.#sender.brokersChanged();
    // whoever died meanwhile still leads something, or is in sync
    await this.#states.apply(
      partitionsWhere(this.#book.current, () => true),
      this.#repair,
    );
    this.#scheduleBalance();
  }

  async #brokersChanged(): Promise<void> {
    const before = this.#book.current.brokers;
    const { brokers: registered, recoveredEpochs } = await this.#loader.readBrokers();
    const { died, arrived, updated } = brokerChanges(before, registered);
    if (died.length + arrived.length + updated.length === 0) return;
    this.#parts.log.info({ died, arrived: arrived.map(({ id }) => id) }, "the live brokers changed");
    this.#starting.gone(died);
    // a registration that ended took what it reported with it
    const offlineReplicas = this.#book.current.offlineReplicas.size > 0;
    this.#book.commit(withBrokers(this.#book.current, registered, recoveredEpochs), { ...nothingDirty, brokers: true, offlineReplicas });
    await this.#states.refresh(partitionsWhere(this.#book.current, (record) => this.#dependsOnDoubt(record)));
    const changed = new Set([...died, ...arrived.map(({ id }) => id)]);
    await this.#states.apply(
      partitionsWhere(this.#book.current, ({ leader, isr }) => leader < 0 || changed.has(leader) || isr.some((id) => changed.has(id))),
      this.#repair,
    );
    // Race: (1) another tool deletes /controller, another broker wins, a topic is made; (2) one of its brokers registers anew; (3) this
    // controller, which has not heard of it, tells that broker of all topics there are, and it deletes the log of the one that is not among
    // them. This transaction comes after the registration: that epoch is still ours, so we know all that the broker could have been told
    // before.
    if (arrived.length > 0) await this.#writer.barrier();
    // only now are those that arrived told anything: nobody leads on under the epoch of an earlier life
    this.#sender.brokersChanged();
  }

  /**
   * Its leader is gone, and whether a member that may have lost records can take its place depends on whether the leader has gone on
   * without it: on when the state was written.
   */
  #dependsOnDoubt({ leader, isr, isrEpochs }: PartitionRecord): boolean {
    const state = this.#book.current;
    if (leader < 0 || (state.brokers.has(leader) && standingOf(state, { isrEpochs }, leader) === "same-life")) return false;
    return isr.some((id) => id !== leader && standingOf(state, { isrEpochs }, id) === "in-doubt");
  }

  async #deleteMarked(): Promise<void> {
    for (const name of await this.#store.markedForDeletion()) {
      if (this.#parts.settings.topicDeletionEnabled) await this.#deleter.remove(name);
      else await this.#deleter.unmark(name);
    }
    await this.#deletions.trim();
  }

  /** What several brokers say together is written together. */
  #deletedOn(id: BrokerId, topicIds: readonly TopicId[]): void {
    this.#deletedOnBrokers.set(id, new Set([...(this.#deletedOnBrokers.get(id) ?? []), ...topicIds]));
    this.#queue.signal("deleted on brokers", async () => {
      const acknowledgements = this.#deletedOnBrokers;
      this.#deletedOnBrokers = new Map();
      await this.#deletions.acknowledged(acknowledgements);
    });
  }

  async #configsChanged(): Promise<void> {
    const before = this.#book.changeNumber;
    await this.#notifications.takeNew();
    if (this.#book.changeNumber !== before) await this.#repairLeaderless();
  }

  #scheduleBalance(): void {
    const { clock, settings } = this.#parts;
    if (!settings.autoLeaderRebalanceEnabled || this.#abort.signal.aborted) return;
    this.#balanceTimer = clock.schedule(settings.leaderImbalanceCheckIntervalMs, () => {
      this.#queue.signal("balance", async () => {
        await this.#balance();
        this.#scheduleBalance();
      });
    });
  }

  async #balance(): Promise<void> {
    const { settings } = this.#parts;
    const imbalanced = new Set(
      [...this.#book.current.brokers.keys()].filter((id) => isImbalanced(this.#book.current, id, settings.leaderImbalancePerBrokerPercent)),
    );
    if (imbalanced.size === 0) return;
    await this.#states.apply(
      partitionsWhere(this.#book.current, ({ replicas, leader }) => imbalanced.has(replicas[0]!) && leader !== replicas[0]),
      prefer,
    );
  }
}
