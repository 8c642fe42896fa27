import type { MemoryTree } from "../../coordinator-client/memory/tree.ts";
import type { MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";

/** What `/brokers/topics/T/partitions/P/state` says, read without the broker's code. */
export interface ObservedState {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  readonly controllerEpoch: number;
  /** The registrations under which members joined the ISR. */
  readonly isrEpochs: Readonly<Record<string, number>>;
  /** An unclean leader election is on record. */
  readonly isRecovering: boolean;
}

export interface ObservedPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly replicas: readonly number[];
  readonly state: ObservedState;
}

export interface ObserverEvents {
  readonly onViolation: (claim: string) => void;
  /** `before`: null for a partition that is new. */
  readonly onChange: (partition: ObservedPartition, before: ObservedState | null) => void;
  /** Whether a leader may come from outside the ISR. */
  readonly isUncleanAllowed: (topic: string) => boolean;
}

interface Seen {
  zxid: number;
  about: ObservedPartition;
}

/** Watches the coordinator's tree from outside, at every step of the simulation: I2 and I7. */
export class TreeObserver {
  readonly #ensemble: MemoryEnsemble;
  readonly #mainTopic: string;
  readonly #events: ObserverEvents;
  /** By topic, then partition. */
  readonly #topics = new Map<string, { zxid: number; readonly partitions: Map<number, Seen> }>();
  #isRight = true;
  /** While the coordinator has the wrong state. */
  #lastRight: Pick<MemoryTree, "read"> | null = null;
  #transactions = -1;
  #controllerEpoch = 0;
  #controllerEpochZxid = 0;

  constructor(ensemble: MemoryEnsemble, mainTopic: string, events: ObserverEvents) {
    this.#ensemble = ensemble;
    this.#mainTopic = mainTopic;
    this.#events = events;
  }

  /** Null: the partition does not exist (yet). */
  state(partition: number, topic = this.#mainTopic): ObservedState | null {
    return this.find(topic, partition)?.state ?? null;
  }

  find(topic: string, partition: number): ObservedPartition | null {
    return this.#topics.get(topic)?.partitions.get(partition)?.about ?? null;
  }

  /** What the topic's znode says; null: nothing. */
  assignment(partition: number): { readonly replicas: readonly number[]; readonly isChanging: boolean } | null {
    const node = this.#ensemble.tree.read(`/brokers/topics/${this.#mainTopic}`);
    if (node === null) return null;
    const { partitions, adding_replicas: adding, removing_replicas: removing } = JSON.parse(node.data.toString());
    return { replicas: partitions[partition], isChanging: partition in { ...adding, ...removing } };
  }

  findById(topicId: string, partition: number): ObservedPartition | null {
    for (const { partitions } of this.#topics.values()) {
      const about = partitions.get(partition)?.about;
      if (about?.topicId === topicId) return about;
    }
    return null;
  }

  /** All partitions that have a state. */
  partitions(): ObservedPartition[] {
    return [...this.#topics.values()].flatMap(({ partitions }) => [...partitions.values()].map(({ about }) => about));
  }

  /**
   * The ISR has it under an earlier registration, and it has registered again since: what it had then may be lost, and no controller elects
   * it for that (KIP-903).
   */
  isOfEarlierLife(id: number, topic: string, partition: number): boolean {
    const takenInUnder = this.state(partition, topic)?.isrEpochs[id];
    const registered = (this.#lastRight ?? this.#ensemble.tree).read(`/brokers/ids/${id}`)?.createdZxid;
    return takenInUnder !== undefined && registered !== undefined && takenInUnder < registered;
  }

  get controllerId(): number {
    const node = this.#ensemble.tree.read("/controller");
    return node === null ? -1 : Number(JSON.parse(node.data.toString()).brokerid);
  }

  /**
   * The coordinator lost its state, or has an older one (`isRight` false): no broker is judged by what it says, and what was seen last (and
   * is in `lastRight`) still counts. Or it has its own state again, of which what was seen in between says nothing.
   */
  begin({ isRight, lastRight = null }: { readonly isRight: boolean; readonly lastRight?: Pick<MemoryTree, "read"> | null }): void {
    this.#isRight = isRight;
    this.#lastRight = lastRight;
    if (isRight) this.#topics.clear();
    this.#transactions = -1;
    this.#controllerEpoch = 0;
    this.#controllerEpochZxid = 0;
  }

  look(): void {
    const { transactions, tree } = this.#ensemble;
    if (transactions === this.#transactions || !this.#isRight) return;
    this.#transactions = transactions;
    this.#lookAtControllerEpoch();
    const names = tree.children("/brokers/topics")?.names ?? [];
    for (const name of this.#topics.keys()) if (!names.includes(name)) this.#topics.delete(name);
    for (const name of names) this.#lookAtTopic(name);
  }

  #lookAtTopic(topic: string): void {
    const { tree } = this.#ensemble;
    const node = tree.read(`/brokers/topics/${topic}`);
    if (node === null) return;
    const { topic_id: topicId, partitions: assigned } = JSON.parse(node.data.toString());
    const known = this.#topics.get(topic);
    const isAnew = known === undefined || known.zxid !== node.createdZxid;
    const seen = isAnew ? { zxid: node.createdZxid, partitions: new Map<number, Seen>() } : known;
    this.#topics.set(topic, seen);
    for (const [number, replicas] of Object.entries(assigned)) {
      const partition = Number(number);
      const stateNode = tree.read(`/brokers/topics/${topic}/partitions/${partition}/state`);
      const before = seen.partitions.get(partition);
      if (stateNode === null || stateNode.modifiedZxid === before?.zxid) continue;
      const json = JSON.parse(stateNode.data.toString());
      const state: ObservedState = {
        leader: json.leader,
        leaderEpoch: json.leader_epoch,
        isr: json.isr,
        controllerEpoch: json.controller_epoch,
        isrEpochs: json.ottla?.isr_epochs ?? {},
        isRecovering: json.leader_recovery_state === 1,
      };
      const about: ObservedPartition = { topic, topicId, partition, replicas: replicas as number[], state };
      this.#judge(about, before?.about.state ?? null, stateNode.modifiedZxid);
      if (before !== undefined) this.#judgeReplicas(about, before.about);
      seen.partitions.set(partition, { zxid: stateNode.modifiedZxid, about });
      this.#events.onChange(about, before?.about.state ?? null);
    }
  }

  /** Who is in sync when it is removed has records that nobody else may have. */
  #judgeReplicas({ topic, partition, replicas, state }: ObservedPartition, before: ObservedPartition): void {
    if (replicas.join() === before.replicas.join()) return;
    const what = `${topic}-${partition}, replicas ${before.replicas} -> ${replicas}, in sync ${before.state.isr} -> ${state.isr}`;
    const isDropped = before.state.isr.some((id) => !replicas.includes(id));
    if (isDropped) this.#events.onViolation(`a replica was removed that was in sync: ${what}`);
    if (state.leaderEpoch <= before.state.leaderEpoch) this.#events.onViolation(`replicas changed under the same leader epoch: ${what}`);
  }

  #lookAtControllerEpoch(): void {
    const node = this.#ensemble.tree.read("/controller_epoch");
    if (node === null) return;
    const epoch = Number(node.data.toString());
    if (epoch < this.#controllerEpoch) this.#events.onViolation(`I7 the controller epoch fell from ${this.#controllerEpoch} to ${epoch}`);
    this.#controllerEpoch = epoch;
    this.#controllerEpochZxid = node.modifiedZxid;
  }

  #judge({ topic, partition, replicas, state }: ObservedPartition, before: ObservedState | null, zxid: number): void {
    const { leader, leaderEpoch, isr, controllerEpoch } = state;
    const say = (claim: string) =>
      this.#events.onViolation(`${claim}: ${topic}-${partition}, ${JSON.stringify(before)} -> ${JSON.stringify(state)}`);
    if (isr.length === 0 || new Set(isr).size !== isr.length) say("the in-sync set is empty or repeats itself");
    if (!isr.every((id) => replicas.includes(id))) say("the in-sync set has somebody who is no replica");
    if (leader >= 0 && !isr.includes(leader)) say("the leader is not in sync");
    if (controllerEpoch > this.#controllerEpoch) say("I7 written under a controller epoch that is not there yet");
    if (before === null) return;
    const isElected = leaderEpoch > before.leaderEpoch;
    if (leaderEpoch < before.leaderEpoch) say("I2 the leader epoch fell");
    if (leaderEpoch === before.leaderEpoch && leader !== before.leader) say("I2 two leaders in one epoch");
    // a later life may lack what the earlier one had written under this epoch, and write something else there
    if (leader >= 0 && !isElected && state.isrEpochs[leader] !== before.isrEpochs[leader]) say("I2 two lives of a leader in one epoch");
    // a leader that has not heard of the newest controller may still change its ISR: only elections are the controller's
    if (isElected && controllerEpoch < before.controllerEpoch) say("I7 an older controller elected");
    if (isElected && controllerEpoch < this.#controllerEpoch && zxid > this.#controllerEpochZxid) say("I7 a deposed controller elected");
    const isFromOutside = leader >= 0 && isElected && !before.isr.includes(leader);
    if (isFromOutside && !this.#events.isUncleanAllowed(topic)) say("elected from outside the in-sync set");
    if (isFromOutside && !state.isRecovering) say("an election from outside the in-sync set is not on record");
  }
}
