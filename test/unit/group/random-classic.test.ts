import fc from "fast-check";
import { expect, test } from "vitest";
import type { ClassicGroup } from "../../../broker/group/classic/classic-group.ts";
import { type JoinAnswer, memberBytes, pendingBytes, type SyncAnswer } from "../../../broker/group/classic/classic-group-member.ts";
import { GroupMachine } from "../../../broker/group/group-machine.ts";
import { TimerHeap } from "../../../broker/state-machine/timer-heap.ts";
import { settled } from "../network/manual-clock.ts";
import { type Asked, machineConfig, subscription, World } from "./world.ts";

type Step =
  | { readonly kind: "join" | "sync" | "heartbeat" | "leave" | "commit"; readonly actor: number; readonly odd: boolean }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "refuse" | "accept" | "hold" | "replicate" }
  | { readonly kind: "move"; readonly keeps: number };

const actors = 5;
const actor = fc.nat(actors - 1);
const odd = fc.integer({ min: 0, max: 5 }).map((die) => die === 0);
const request = (kind: "join" | "sync" | "heartbeat" | "leave" | "commit") => fc.record({ kind: fc.constant(kind), actor, odd });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: request("join") },
    { weight: 6, arbitrary: request("sync") },
    { weight: 3, arbitrary: request("heartbeat") },
    { weight: 1, arbitrary: request("leave") },
    { weight: 4, arbitrary: request("commit") },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 500, 3_100, 6_100, 11_000) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("refuse", "accept", "accept", "hold", "replicate", "replicate") }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("move" as const), keeps: fc.nat(3) }) },
  ) as fc.Arbitrary<Step>,
  { minLength: 30, maxLength: 150 },
);

interface Actor {
  memberId: string;
  generation: number;
  isLeader: boolean;
  members: readonly string[];
  join: Asked<JoinAnswer> | null;
  sync: { readonly asked: Asked<SyncAnswer>; readonly generation: number } | null;
}

/** Members that behave more or less, against a coordinator that fails now and then. Keeps its own account of what was promised. */
class Run {
  readonly world: World;
  readonly #actors: Actor[] = Array.from({ length: actors }, () => newActor());
  readonly #asked: Asked<unknown>[] = [];
  /** Whose division of the work was handed out in each generation. */
  readonly #divisions = new Map<number, string>();
  #tags = 0;
  #sent = 0;
  #acknowledged = 0;
  #commits: {
    readonly asked: Asked<readonly { readonly partitions: readonly { readonly errorCode: string }[] }[]>;
    readonly offset: number;
  }[] = [];

  constructor(world: World) {
    this.world = world;
  }

  async take(step: Step): Promise<void> {
    const { partition, clock } = this.world;
    switch (step.kind) {
      case "advance":
        await clock.advance(step.ms);
        break;
      case "refuse":
        partition.refusal = "NOT_ENOUGH_REPLICAS";
        break;
      case "accept":
        partition.refusal = null;
        break;
      case "hold":
        partition.isReplicated = false;
        break;
      case "replicate":
        partition.isReplicated = true;
        partition.commit();
        break;
      case "move":
        await this.#move(step.keeps);
        break;
      default:
        await this.#request(step.kind, this.#actors[step.actor]!, step.odd);
    }
    await settled();
    this.#hear();
  }

  /** What is kept of the uncommitted end is committed by the new leader. */
  async #move(keeps: number): Promise<void> {
    const { partition } = this.world;
    const uncommitted = partition.batches.filter(({ endOffset }) => endOffset > partition.highWatermark);
    const kept = uncommitted[Math.min(keeps, uncommitted.length) - 1]?.endOffset ?? partition.highWatermark;
    partition.isReplicated = true;
    const moved = this.world.move(kept);
    partition.commit();
    await moved;
  }

  async #request(kind: string, actor: Actor, isOdd: boolean): Promise<void> {
    const memberId = isOdd ? "" : actor.memberId;
    const generation = isOdd ? actor.generation + 1 : actor.generation;
    const { world } = this;
    switch (kind) {
      case "join": {
        const topics = isOdd ? ["t", "u"] : ["t"];
        const protocols = [{ name: "range", metadata: subscription(...topics) }];
        const groupInstanceId = actor === this.#actors[0] ? "instance" : null;
        actor.join = this.#track(await world.join({ memberId, protocols, groupInstanceId, mustKnowItsId: isOdd }));
        return;
      }
      case "sync": {
        const tag = `${++this.#tags}`;
        const assignments = actor.isLeader ? Object.fromEntries(actor.members.map((id) => [id, tag])) : {};
        actor.sync = { asked: this.#track(await world.sync(actor.memberId, generation, assignments)), generation };
        return;
      }
      case "heartbeat":
        await world.ask((machine, now) =>
          machine.classic.heartbeat("g", { memberId: actor.memberId, generationId: generation, groupInstanceId: null }, now),
        );
        return;
      case "leave":
        this.#track(await world.leave({ memberId: actor.memberId, groupInstanceId: null }));
        return;
      case "commit": {
        const offset = ++this.#sent;
        const by = { memberId: actor.memberId, generationIdOrMemberEpoch: generation };
        this.#commits.push({ asked: this.#track(await world.commit({ ...by, offsets: { t: offset } })), offset });
      }
    }
  }

  /** Takes note of the answers that have come. */
  #hear(): void {
    for (const actor of this.#actors) {
      const join = actor.join?.ran;
      if (join?.error === null) {
        const { memberId, generationId, leader, members, errorCode } = join.value;
        actor.memberId = errorCode === "UNKNOWN_MEMBER_ID" ? "" : memberId;
        if (errorCode === "NONE") Object.assign(actor, { generation: generationId, isLeader: leader === memberId && members.length > 0 });
        actor.members = members.map((member) => member.memberId);
        actor.join = null;
      }
      const sync = actor.sync?.asked.ran;
      if (actor.sync !== null && sync?.error === null) {
        const { generation } = actor.sync;
        const tag = String(sync.value.assignment);
        if (sync.value.errorCode === "NONE" && tag !== "") {
          expect(this.#divisions.get(generation) ?? tag, `one division of the work in generation ${generation}`).toBe(tag);
          this.#divisions.set(generation, tag);
        }
        actor.sync = null;
      }
    }
    for (const { asked, offset } of this.#commits)
      if (asked.ran?.error === null && asked.ran.value[0]?.partitions[0]?.errorCode === "NONE")
        this.#acknowledged = Math.max(this.#acknowledged, offset);
    this.#commits = this.#commits.filter(({ asked }) => asked.isWaiting);
  }

  check(): void {
    const { machine, partition, memberMemory } = this.world;
    const group = machine.classic.find("g");
    if (group !== null) checkGroup(group);
    const pending = [...(group?.pendingMembers ?? [])].reduce((sum, memberId) => sum + pendingBytes("g", memberId), 0);
    const keptBytes = [...(group?.members.values() ?? [])].reduce((sum, member) => sum + memberBytes("g", member), pending);
    expect(memberMemory.usedBytes, "what members take is counted, whoever coordinates").toBe(keptBytes);
    expect(machine.offsets.find("g", "t", 0)?.offset ?? 0, "no acknowledged position goes back").toBeGreaterThanOrEqual(this.#acknowledged);
    const replayed = replay(partition.records());
    const positions = ({ offsets }: GroupMachine) =>
      [...(offsets.of("g").get("t") ?? [])].map(([partition, { loggedAt: _, ...committed }]) => [partition, committed]);
    expect(positions(replayed)).toEqual(positions(machine));
    const stored = replayed.classic.find("g");
    if (group === null || (stored?.generation ?? 0) === 0) return;
    expect(stored!.generation).toBeLessThanOrEqual(group.generation);
    if (group.state === "Stable" || group.state === "Empty") expect(durable(stored!)).toEqual(durable(group));
  }

  /** Everything heals and time passes: nobody waits any more. */
  async end(): Promise<void> {
    this.world.partition.refusal = null;
    await this.take({ kind: "replicate" });
    await this.world.clock.advance(400_000);
    this.check();
    expect(this.#asked.filter(({ isWaiting }) => isWaiting)).toEqual([]);
    expect(this.world.shard.waiting).toBe(0);
  }

  #track<T>(asked: Asked<T>): Asked<T> {
    this.#asked.push(asked);
    return asked;
  }
}

function newActor(): Actor {
  return { memberId: "", generation: -1, isLeader: false, members: [], join: null, sync: null };
}

function checkGroup(group: ClassicGroup): void {
  const { state, members, pendingSync, pendingMembers, protocolName, leaderId } = group;
  for (const id of pendingSync) expect(members.has(id), "only members are waited for").toBe(true);
  for (const id of pendingMembers) expect(members.has(id), "an id handed out is no member yet").toBe(false);
  if (members.size > 0) expect(members.has(leaderId ?? ""), "the leader is a member").toBe(true);
  if (state === "Empty") expect(members.size).toBe(0);
  if (state === "Stable" || state === "CompletingRebalance") {
    expect(members.size).toBeGreaterThan(0);
    expect(protocolName).toBe("range");
  }
  const all = [...members.values()];
  expect(group.awaitingJoinCount, "as counted").toBe(all.filter(({ awaitingJoin }) => awaitingJoin !== null).length);
  for (const name of ["range", "nobody's"]) {
    const isCommon = all.every(({ protocols }) => protocols.some((one) => one.name === name));
    if (all.length > 0) expect(group.supports("consumer", [{ name, metadata: subscription() }]), name).toBe(isCommon);
  }
  for (const member of members.values()) {
    if (member.awaitingJoin !== null) expect(state).toBe("PreparingRebalance");
    if (member.awaitingSync !== null) expect(state).toBe("CompletingRebalance");
    if (member.groupInstanceId !== null) expect(group.staticMember(member.groupInstanceId)).toBe(member);
  }
}

/** What the log must know of a group at rest. */
function durable(group: ClassicGroup) {
  const members = [...group.members.values()]
    .map(({ memberId, groupInstanceId, clientId, sessionTimeoutMs, rebalanceTimeoutMs, assignment, protocols }) => ({
      ...{ memberId, groupInstanceId, clientId, sessionTimeoutMs, rebalanceTimeoutMs, protocols },
      assignment: String(assignment),
    }))
    .sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const { state, generation, protocolType, protocolName, leaderId } = group;
  return { state, generation, protocolType, protocolName, leaderId, members };
}

function replay(records: readonly { readonly key: Buffer; readonly value: Buffer | null }[]): GroupMachine {
  const world = new World();
  const topics = { current: world.topics };
  const machine = new GroupMachine({ timers: new TimerHeap(), topics, random: world.random, config: machineConfig });
  const batch = { baseOffset: 0, producerId: -1, producerEpoch: -1, baseSequence: -1, isTransactional: false, isControl: false };
  for (const record of records) machine.replay(record, batch);
  machine.loaded({ monotonicMs: 0, wallMs: 0 });
  return machine;
}

test("whatever members, replicas and coordinators do, states are legal, promises are kept, and the log has it all", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const run = new Run(await World.loaded());
      for (const step of sequence) {
        await run.take(step);
        run.check();
      }
      await run.end();
    }),
    { numRuns: 60 },
  );
}, 120_000);
