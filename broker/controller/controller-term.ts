import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import { brokerIdsPath, configChangesPath, deletionsPath, featurePath } from "../../coordinator-client/znodes/paths.ts";
import { type Clock, sleep, type Timer } from "../../protocol/base/clock.ts";
import type { SupportedFeatures } from "../../protocol/base/features.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type {
  ControlledShutdownRequest,
  ControlledShutdownResponse,
  IsrChangedRequest,
  PeerStatus,
  ReplicasOfflineRequest,
} from "../../protocol/peer/messages.ts";
import type { PeerWatch } from "../cluster/peer-watch.ts";
import type { ResolveSettings } from "../cluster/resolve-settings.ts";
import type { AutoRebalanceSettings } from "../runtime/config/auto-rebalance-settings.ts";
import type { PeerRequester } from "../runtime/peer-port.ts";
import { AdminOperations, type AdminSettings } from "./admin-operations.ts";
import { AssignmentWriter } from "./assignment-writer.ts";
import { AutoRebalancer } from "./auto-rebalancer.ts";
import { ClusterLoader } from "./cluster-loader.ts";
import { ClusterStore } from "./cluster-store.ts";
import { ConfigWriter, type ResourceRules } from "./config-writer.ts";
import type { ConfigChange, PartitionNamed, ReplicasWanted, Verdict } from "./controller-service.ts";
import type { ControllerState } from "./controller-state.ts";
import { nothingDirty, type Sender } from "./dirty-set.ts";
import { EventQueue } from "./event-queue.ts";
import { FeatureKeeper } from "./feature-keeper.ts";
import { FencedWriter, type Term } from "./fenced-writer.ts";
import { LeaderKeeper } from "./leader-keeper.ts";
import { PlannedMoves } from "./planned-moves.ts";
import { Reassigner } from "./reassigner.ts";
import { StateBook } from "./state-book.ts";
import { StateWriter } from "./state-writer.ts";
import { calmMs, nextSuspicions, type Suspicion } from "./suspicions.ts";
import type { TermContext } from "./term-context.ts";
import { TopicCreator } from "./topic-creator.ts";
import { TopicDeletions } from "./topic-deletions.ts";
import { type UpdateEvents, UpdateSender } from "./update-sender.ts";

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
  readonly watch: Pick<PeerWatch, "suspects" | "watchedEpoch" | "lateAtMs" | "onChange">;
}

export interface ControllerSettings extends Omit<AdminSettings, "topicRules"> {
  /** By this broker: no setting of an operator's. */
  readonly supportedFeatures: SupportedFeatures;
  /** `auto.leader.rebalance.enable` */
  readonly autoLeaderRebalanceEnabled: boolean;
  readonly leaderImbalanceCheckIntervalMs: number;
  /** Of the partitions whose preferred leader a broker is; above it, those led elsewhere move back. */
  readonly leaderImbalancePerBrokerPercent: number;
  /** How long a controlled shutdown waits until every broker knows the new leaders. */
  readonly requestTimeoutMs: number;
  /** Those in force: they may change at run time. */
  autoRebalance(): AutoRebalanceSettings;
}

/** A cluster that stops as a whole stops its brokers within about this time. */
const stopTogetherMs = 200;

/** Between two looks at all reassignments, should one wait for what nobody has told. */
const reassignmentsCheckMs = 1_000;
/** Between two looks at some of them: the rest of the broker has its turn. */
const reassignmentsPauseMs = 10;

/** Requests that may wait for their turn. */
const requestsWaitingMax = 1_000;

/**
 * One term as controller: from winning `/controller` to losing it, with all that is kept in memory for it. Its events run one after the
 * other.
 */
export class ControllerTerm {
  readonly term: Term;
  readonly #parts: ControllerParts;
  readonly #abort = new AbortController();
  readonly #over: (reason: unknown) => void;
  readonly #queue: EventQueue;
  readonly #context: TermContext;
  readonly #sender: UpdateSender;
  readonly #loader: ClusterLoader;
  readonly #leaders: LeaderKeeper;
  readonly #deletions: TopicDeletions;
  readonly #configs: ConfigWriter;
  readonly #auto: AutoRebalancer;
  readonly features: FeatureKeeper;
  readonly #unwatch: (() => void)[] = [];
  /** Brokers that asked to stop a moment ago, and the epochs under which they did. */
  readonly #stopping = new Map<BrokerId, number>();
  #suspicions: ReadonlyMap<BrokerId, Suspicion> = new Map();
  #calmTimer: Timer | null = null;
  #balanceTimer: Timer | null = null;
  #reassignmentTimer: Timer | null = null;
  readonly admin: AdminOperations;
  readonly reassigner: Reassigner;

  /** `onOver`: the term cannot continue (deposed, or a write whose outcome is unknown): called once at most, `stop` is the caller's. */
  constructor(term: Term, parts: ControllerParts, onOver: (reason: unknown) => void) {
    const { coordinator, clock, random, log, settings, rules, resolveSettings } = parts;
    const { signal } = this.#abort;
    this.term = term;
    this.#parts = parts;
    this.#over = (reason) => {
      if (!signal.aborted) onOver(reason);
    };
    this.#queue = new EventQueue({
      waitingMax: requestsWaitingMax,
      onFailure: (key, error) => {
        if (error instanceof InvariantViolation) throw error;
        log.warn({ err: error, event: key }, "controller event failed");
        this.#over(error);
      },
    });
    const book = new StateBook((dirty, order) => {
      const number = this.#sender.changed(dirty, order);
      this.reassigner.changed(dirty, number);
      this.#lookAtReassignments();
      return number;
    });
    this.#sender = this.#makeSender(book);
    const store = new ClusterStore(coordinator, term.controllerEpoch);
    const context: TermContext = { store, writer: new FencedWriter(coordinator, term, clock, signal), book, clock, random, log };
    const creator = new TopicCreator(context);
    const states = new StateWriter(context, this.#makeMoves(book));
    this.#context = context;
    this.features = new FeatureKeeper(context, settings.supportedFeatures);
    this.#loader = new ClusterLoader(context, creator, this.features);
    this.#leaders = new LeaderKeeper(
      context,
      states,
      (topic) => resolveSettings(topic.config, book.current.brokerConfigs).uncleanLeaderElectionEnable,
    );
    this.#deletions = new TopicDeletions(context);
    this.#configs = new ConfigWriter(context, rules);
    const assignments = new AssignmentWriter(context, states, () => this.#queue.letUrgentPass());
    this.reassigner = new Reassigner(context, assignments, states);
    this.#auto = new AutoRebalancer(context, this.reassigner, this.#queue, () => settings.autoRebalance());
    this.admin = new AdminOperations(context, { creator, deletions: this.#deletions, states }, { ...settings, topicRules: rules.topic });
  }

  #makeSender(book: StateBook): UpdateSender {
    const { peers, clock, random, log } = this.#parts;
    const events: UpdateEvents = {
      acknowledged: (id, changeNumber) => {
        if (book.starting.acknowledged(id, changeNumber)) this.#sender.changed({ ...nothingDirty, brokers: true });
        if (this.reassigner.acknowledged(id, changeNumber)) this.#queue.signal("removed replicas", () => this.reassigner.forgetRemoved());
      },
      deposed: () => this.#over(new Error("a broker knows a newer controller")),
      deleted: (id, topicIds) => {
        this.#deletions.acknowledged(id, topicIds);
        this.#queue.signal("deleted on brokers", () => this.#deletions.writeAcknowledged());
      },
    };
    return new UpdateSender(this.#ourselves(), { peers, clock, random, log, book, events });
  }

  #makeMoves(book: StateBook): PlannedMoves {
    const { peers, log } = this.#parts;
    return new PlannedMoves({ sender: this.#ourselves(), peers, book, updates: this.#sender, queue: this.#queue, log });
  }

  #ourselves(): Sender {
    return { controllerId: this.#parts.brokerId, controllerEpoch: this.term.controllerEpoch };
  }

  start(): void {
    this.#queue.signal("load", () => this.#load());
  }

  /** Nothing is started, sent or written after this, and the state in memory is not used again. */
  stop(): void {
    this.#abort.abort(new Error("resigned"));
    this.#context.writer.revoke();
    this.#queue.close();
    this.#sender.stop();
    this.#balanceTimer?.cancel();
    this.#reassignmentTimer?.cancel();
    this.#calmTimer?.cancel();
    this.#auto.stop();
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
  }

  /**
   * Runs a request as one event, then waits (at most `timeoutMs`) until every live broker knows what it changed. Rejects with EventRefused,
   * Deposed, or what went wrong; the term is then over.
   */
  async request<T>(timeoutMs: number, run: () => Promise<T>): Promise<T> {
    const { book, clock } = this.#context;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    const { answer, before, changeNumber } = await this.#queue.ask(async () => {
      const before = book.changeNumber;
      const answer = await this.#orOver(run());
      const after = book.changeNumber;
      return { answer, before, changeNumber: after === before ? null : after };
    });
    if (changeNumber === null) return answer;
    const isKnown = await this.#known(changeNumber, deadlineMs);
    // that their leaders serve them is a change of its own; a client that asks for them next finds them
    if (isKnown && book.starting.latestNumber > before) await this.#known(this.#sender.changeNumber, deadlineMs);
    return answer;
  }

  /** A request that fails ends the term. It may be half written: the next term reads what there is and completes it. */
  #orOver<T>(running: Promise<T>): Promise<T> {
    return running.catch((error) => {
      this.#over(error);
      throw error;
    });
  }

  async #known(changeNumber: number, deadlineMs: number): Promise<boolean> {
    const leftMs = deadlineMs - this.#context.clock.monotonicMs();
    return leftMs > 0 && this.#sender.acknowledged(changeNumber, leftMs);
  }

  /** As one event: to be called within `request`. */
  async alterReassignments(
    wanted: readonly ReplicasWanted[],
    mayChangeReplicationFactor: boolean,
  ): Promise<readonly (Verdict & PartitionNamed)[]> {
    await this.#auto.cancelling(wanted);
    return this.reassigner.alter(wanted, mayChangeReplicationFactor);
  }

  /** Changes of settings, one after the other. */
  async alterConfigs(changes: readonly ConfigChange[], validateOnly: boolean): Promise<readonly Verdict[]> {
    const verdicts: Verdict[] = [];
    for (const change of changes) verdicts.push(await this.#configs.alter(change, validateOnly));
    if (!validateOnly) await this.#leaders.repairLeaderless();
    return verdicts;
  }

  /**
   * Answered when every broker knows the new leaders.
   *
   * It looks first who else stops. Otherwise, with thousands of partitions: (1) three brokers stop together; (2) what the first leads moves
   * to the second, and from there to the third, and each in-sync set shrinks twice; (3) the stop takes seconds, and so do the elections
   * and the in-sync sets that grow again after the next start, all for nothing.
   */
  async controlledShutdown(request: ControlledShutdownRequest): Promise<ControlledShutdownResponse> {
    const { brokerId, brokerEpoch } = request;
    this.#stopping.set(brokerId, brokerEpoch);
    try {
      if (!this.#context.book.current.shuttingDown.has(brokerId)) await sleep(this.#context.clock, stopTogetherMs);
      return await this.request(this.#parts.settings.requestTimeoutMs, () => this.#leaders.controlledShutdown(request, this.#stopping));
    } finally {
      if (this.#stopping.get(brokerId) === brokerEpoch) this.#stopping.delete(brokerId);
    }
  }

  isrChanged(request: IsrChangedRequest): Promise<PeerStatus> {
    return this.#queue.ask(() => this.#orOver(this.#leaders.isrChanged(request)));
  }

  replicasOffline(request: ReplicasOfflineRequest): Promise<PeerStatus> {
    return this.#queue.ask(() => this.#orOver(this.#leaders.replicasOffline(request)));
  }

  async #load(): Promise<void> {
    const { coordinator } = this.#parts;
    await this.#loader.ensureFolders();
    // watched before it is read: what changes in between is seen again
    const watched = (path: string, key: string, run: () => Promise<void>, isUrgent = false) =>
      this.#unwatch.push(coordinator.watch(path, "children", () => this.#queue.signal(key, run, isUrgent)));
    watched(brokerIdsPath, "brokers", () => this.#brokersChanged(), true);
    watched(deletionsPath, "deletions", () => this.#deleteMarked());
    watched(configChangesPath, "configs", () => this.#configsChanged());
    this.#unwatch.push(coordinator.watch(featurePath, "node", () => this.#queue.signal("features", () => this.features.look())));
    await this.#configs.startFollowing();
    // before the rest is read: what is half deleted must not be completed
    await this.#deleteMarked();
    await this.#loader.load();
    await this.#deletions.load();
    await this.#leaders.endEarlierLives();
    this.#unwatch.push(this.#parts.watch.onChange(() => this.#lookAtSuspects()));
    await this.#suspectsChanged();
    await this.#leaders.repairAll();
    // the first update of this term has the leaders in place of those that are gone
    this.#sender.brokersChanged();
    this.reassigner.load();
    this.#lookAtReassignments();
    this.#scheduleBalance();
    this.#auto.start();
  }

  /** The watch tells of every breath that a broker misses. */
  #lookAtSuspects(): void {
    const { suspects, unreached } = this.#context.book.current;
    this.#suspicions = this.#nextSuspicions();
    const next = this.#suspected();
    const isSame = next.suspects.symmetricDifference(suspects).size + next.unreached.symmetricDifference(unreached).size === 0;
    if (!isSame) this.#queue.signal("suspects", () => this.#suspectsChanged(), true);
    this.#awaitCalm();
  }

  #nextSuspicions(): ReadonlyMap<BrokerId, Suspicion> {
    const { book, clock } = this.#context;
    const { watch } = this.#parts;
    return nextSuspicions(this.#suspicions, { watch, brokers: book.current.brokers, nowMs: clock.monotonicMs() });
  }

  #suspected(): Pick<ControllerState, "suspects" | "unreached"> {
    const suspects = new Set(this.#suspicions.keys());
    return { suspects, unreached: new Set(this.#parts.watch.suspects.keys()).intersection(suspects) };
  }

  async #suspectsChanged(): Promise<void> {
    this.#suspicions = this.#nextSuspicions();
    await this.#leaders.suspectsChanged(this.#suspected(), this.#parts.settings.autoLeaderRebalanceEnabled);
    this.#awaitCalm();
  }

  /** Nothing else may happen that would make anyone look again. */
  #awaitCalm(): void {
    this.#calmTimer?.cancel();
    if (this.#suspicions.size === 0 || this.#abort.signal.aborted) return;
    this.#calmTimer = this.#context.clock.schedule(calmMs, () => this.#lookAtSuspects());
  }

  async #brokersChanged(): Promise<void> {
    const registered = await this.#loader.readBrokers();
    const { died, arrived, updated } = await this.#leaders.brokersChanged(registered);
    await this.features.brokersChanged(registered.features);
    if (died.length + arrived.length + updated.length === 0) return;
    // Race: (1) another tool deletes /controller, another broker wins, a topic is made; (2) one of its brokers registers again; (3) this
    // controller, which has not learned of it, sends that broker all topics that it knows, and the broker deletes the log of the one that
    // is missing there. This transaction comes after the registration: that epoch is still ours, so we know all that the broker could have
    // been told before.
    if (arrived.length > 0) await this.#context.writer.barrier();
    // only now are updates sent to the brokers that arrived: none keeps leading under the epoch of an earlier life
    this.#sender.brokersChanged();
  }

  async #deleteMarked(): Promise<void> {
    for (const name of await this.#context.store.markedForDeletion()) {
      if (this.#parts.settings.topicDeletionEnabled) await this.#deletions.remove(name);
      else await this.#deletions.unmark(name);
    }
    await this.#deletions.trim();
  }

  async #configsChanged(): Promise<void> {
    const { book } = this.#context;
    const before = book.changeNumber;
    await this.#configs.takeChanges();
    if (book.changeNumber !== before) await this.#leaders.repairLeaderless();
  }

  /** At those that have changed, some at a time; at all of them now and then. */
  #lookAtReassignments(): void {
    const { clock } = this.#context;
    if (this.reassigner.isIdle || this.#abort.signal.aborted) return;
    if (this.reassigner.hasDue)
      this.#queue.signal("reassignments", async () => {
        await this.reassigner.progress();
        if (this.reassigner.hasDue) clock.schedule(reassignmentsPauseMs, () => this.#lookAtReassignments());
      });
    this.#reassignmentTimer ??= clock.schedule(reassignmentsCheckMs, () => {
      this.#reassignmentTimer = null;
      this.reassigner.lookAtAll();
      this.#lookAtReassignments();
    });
  }

  #scheduleBalance(): void {
    const { clock, settings } = this.#parts;
    if (!settings.autoLeaderRebalanceEnabled || this.#abort.signal.aborted) return;
    this.#balanceTimer = clock.schedule(settings.leaderImbalanceCheckIntervalMs, () => {
      this.#queue.signal("balance", async () => {
        await this.#leaders.balance(settings.leaderImbalancePerBrokerPercent);
        this.#scheduleBalance();
      });
    });
  }
}
