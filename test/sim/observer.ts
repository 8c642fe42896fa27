import type { MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";

/** What `/brokers/topics/T/partitions/P/state` says, read without the broker's code. */
export interface ObservedState {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  readonly controllerEpoch: number;
}

/** Watches the coordinator's tree from outside, at every step of the simulation: I2 and I7. */
export class TreeObserver {
  readonly #tree: MemoryEnsemble["tree"];
  readonly #topic: string;
  readonly #onViolation: (claim: string) => void;
  readonly #onChange: (partition: number, state: ObservedState) => void;
  readonly #seen: { zxid: number; state: ObservedState | null }[];
  #controllerEpoch = 0;

  constructor(
    tree: MemoryEnsemble["tree"],
    about: { readonly topic: string; readonly partitions: number },
    events: { readonly onViolation: (claim: string) => void; readonly onChange: (partition: number, state: ObservedState) => void },
  ) {
    this.#tree = tree;
    this.#topic = about.topic;
    this.#seen = Array.from({ length: about.partitions }, () => ({ zxid: 0, state: null }));
    this.#onViolation = events.onViolation;
    this.#onChange = events.onChange;
  }

  /** Null: the partition does not exist yet. */
  state(partition: number): ObservedState | null {
    return this.#seen[partition]?.state ?? null;
  }

  get controllerId(): number {
    const node = this.#tree.read("/controller");
    return node === null ? -1 : Number(JSON.parse(node.data.toString()).brokerid);
  }

  look(): void {
    this.#lookAtControllerEpoch();
    for (const [partition, seen] of this.#seen.entries()) {
      const node = this.#tree.read(`/brokers/topics/${this.#topic}/partitions/${partition}/state`);
      if (node === null || node.modifiedZxid === seen.zxid) continue;
      const json = JSON.parse(node.data.toString());
      const state = { leader: json.leader, leaderEpoch: json.leader_epoch, isr: json.isr, controllerEpoch: json.controller_epoch };
      this.#judge(partition, seen.state, state);
      seen.zxid = node.modifiedZxid;
      seen.state = state;
      this.#onChange(partition, state);
    }
  }

  #lookAtControllerEpoch(): void {
    const node = this.#tree.read("/controller_epoch");
    if (node === null) return;
    const epoch = Number(node.data.toString());
    if (epoch < this.#controllerEpoch) this.#onViolation(`I7 the controller epoch fell from ${this.#controllerEpoch} to ${epoch}`);
    this.#controllerEpoch = epoch;
  }

  #judge(partition: number, before: ObservedState | null, state: ObservedState): void {
    const { leader, leaderEpoch, isr, controllerEpoch } = state;
    const say = (claim: string) =>
      this.#onViolation(`${claim}: partition ${partition}, ${JSON.stringify(before)} -> ${JSON.stringify(state)}`);
    if (isr.length === 0 || new Set(isr).size !== isr.length) say("the in-sync set is empty or repeats itself");
    if (leader >= 0 && !isr.includes(leader)) say("the leader is not in sync");
    if (controllerEpoch > this.#controllerEpoch) say("I7 written under a controller epoch that is not there yet");
    if (before === null) return;
    if (leaderEpoch < before.leaderEpoch) say("I2 the leader epoch fell");
    if (leaderEpoch === before.leaderEpoch && leader !== before.leader) say("I2 two leaders in one epoch");
    // a leader that has not heard of the newest controller may still change its in-sync set: only elections are the controller's
    if (leaderEpoch > before.leaderEpoch && controllerEpoch < before.controllerEpoch) say("I7 an older controller elected");
    if (leader >= 0 && leaderEpoch > before.leaderEpoch && !before.isr.includes(leader)) say("elected from outside the in-sync set");
  }
}
