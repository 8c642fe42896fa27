import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Consumer, orThrow, stringSerde, type TopicPartition } from "../../client/index.ts";
import { partitionOfKey } from "../../protocol/base/partition-of-key.ts";
import { AssignmentHistory, CommitLedger } from "../support/group/assignment-history.ts";
import { useGroupCluster } from "../support/group/group-cluster.ts";
import { HandedOutRecords, produceNumbered } from "../support/group/handed-out.ts";
import { ScriptedClassicMember } from "../support/group/scripted-classic-member.ts";
import { ScriptedIncrementalMember } from "../support/group/scripted-incremental-member.ts";
import type { ScriptedMemberParts } from "../support/group/scripted-member.ts";
import { waitUntil } from "../support/wait-until.ts";

const partitions = 8;
const offsetsPartitions = 5;
const sessionTimeoutMs = 6_000;
/** Every member works again this long after the coordinator was killed, at most. */
const recoveryMaxMs = sessionTimeoutMs + 3_000;

const on = useGroupCluster({
  topics: "faulty",
  settings: {
    "group.consumer.session.timeout.ms": sessionTimeoutMs,
    "group.consumer.heartbeat.interval.ms": 100,
    "offsets.topic.num.partitions": offsetsPartitions,
  },
});
let topic: string;
let history: AssignmentHistory;
let ledger: CommitLedger;
const running: { stop(): Promise<void> }[] = [];

async function prepare(): Promise<void> {
  topic = await on.newTopic(partitions);
  history = new AssignmentHistory();
  ledger = new CommitLedger();
  on.closers.push(async () => {
    await Promise.allSettled(running.splice(0).map((member) => member.stop()));
  });
}

function partsOf(name: string, pauseMs = 20): ScriptedMemberParts {
  return { name, cluster: on.cluster, groupId: `group-of-${topic}`, topic, partitions, sessionTimeoutMs, pauseMs, history, ledger };
}

function classicMembers(names: readonly string[], pauseMs?: number): ScriptedClassicMember[] {
  const members = names.map((name) => new ScriptedClassicMember(partsOf(name, pauseMs)).start());
  running.push(...members);
  return members;
}

/** No member has a partition too many or too few, and each commits. */
function share(
  members: readonly { readonly owned: readonly number[]; readonly workedAtMs: readonly number[] }[],
  sinceMs: number,
): boolean {
  const owned = members.flatMap((member) => [...member.owned]).sort();
  return (
    owned.length === partitions &&
    new Set(owned).size === partitions &&
    members.every(({ workedAtMs }) => (workedAtMs.at(-1) ?? 0) > sinceMs)
  );
}

/** Of each member, how long after the moment it worked. */
function recoveries(members: readonly { readonly workedAtMs: readonly number[] }[], sinceMs: number): number[] {
  return members.map(({ workedAtMs }) => (workedAtMs.find((atMs) => atMs > sinceMs) ?? Number.POSITIVE_INFINITY) - sinceMs);
}

/** So that at the next death two others have everything. */
async function restart(broker: number): Promise<void> {
  await on.cluster.startBroker(broker);
  await waitUntil("full in-sync sets", async () => {
    const described = orThrow(await on.admin.describeTopics(["__consumer_offsets", topic]));
    return described.every((each) => each.partitions.every(({ isr }) => isr.length === 3));
  });
}

async function checkCommits(): Promise<void> {
  const before = ledger.snapshot;
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  for (const { partition, offset } of await on.admin.listGroupOffsets(`group-of-${topic}`, all))
    ledger.check(before, partition, offset, "someone outside the group");
}

/** Checks all the time, and counts how often it could. */
class CommitsWatch {
  looks = 0;
  #isOver = false;
  readonly #running = this.#watch();

  async #watch(): Promise<void> {
    for (; !this.#isOver; this.looks++) {
      await checkCommits();
      await sleep(20);
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }
}

async function expectKept(): Promise<void> {
  await checkCommits();
  expect(ledger.faults).toEqual([]);
  expect(history.faults).toEqual([]);
  await on.cluster.replicasIdentical("__consumer_offsets");
}

async function isRebalancing(): Promise<boolean> {
  const [group] = orThrow(await on.admin.describeGroups([`group-of-${topic}`]));
  return group !== undefined && group.state !== "Stable";
}

async function leaderOfGroup(): Promise<number> {
  const [described] = orThrow(await on.admin.describeTopics(["__consumer_offsets"]));
  const at = partitionOfKey(`group-of-${topic}`, offsetsPartitions);
  return described?.partitions.find(({ partition }) => partition === at)?.leader ?? -1;
}

describe("the coordinator's broker is killed in the middle of a rebalance", () => {
  test.each(["while members join", "while members wait for the leader's assignment", "as the leader sends its assignment"])(
    "%s",
    { timeout: 60_000 },
    async (phase) => {
      await prepare();
      const members = classicMembers(["a", "b", "c", "d"]);
      await waitUntil("a working group", () => share(members, 0));
      const generation = history.lastGeneration;
      const coordinator = await leaderOfGroup();
      expect(new Set(members.map(({ coordinatorId }) => coordinatorId))).toEqual(new Set([coordinator]));

      const held = Promise.withResolvers<void>();
      const leader = members.find(({ isLeader }) => isLeader)!;
      const late = members.find(({ isLeader }) => !isLeader)!;
      const sent = Promise.withResolvers<void>();
      if (phase === "while members join") late.beforeJoin = held.promise;
      else if (phase === "as the leader sends its assignment") leader.onSyncSent = sent.resolve;
      else leader.beforeSync = held.promise;
      const all = [...members, ...classicMembers(["e"])];
      if (phase === "while members join")
        await waitUntil("a group that is being rebalanced", () => members.every(({ state }) => state === "joining"), { pauseMs: 5 });
      else if (phase === "as the leader sends its assignment") await sent.promise;
      else await waitUntil("all joined", () => all.every(({ state }) => state === "joined"), { pauseMs: 5 });
      if (phase !== "as the leader sends its assignment") expect(history.lastGeneration).toBe(generation);

      const killedAtMs = performance.now();
      await on.cluster.kill(coordinator);
      late.beforeJoin = null;
      leader.beforeSync = null;
      leader.onSyncSent = null;
      held.resolve();
      await waitUntil("all five to work", () => share(all, killedAtMs));
      expect(Math.max(...recoveries(all, killedAtMs))).toBeLessThan(recoveryMaxMs);
      expect(history.lastGeneration).toBeGreaterThan(generation);
      expect(await leaderOfGroup()).not.toBe(coordinator);
      await restart(coordinator);
      await Promise.all(running.splice(0).map((member) => member.stop()));
      await expectKept();
    },
  );
});

describe("the coordinator's broker is killed in the middle of commits", () => {
  test("of a classic group, twice", { timeout: 60_000 }, async () => {
    await prepare();
    const members = classicMembers(["a", "b", "c", "d"], 0);
    await waitUntil("a working group", () => share(members, 0));
    const generation = history.lastGeneration;
    await killTwiceWhileCommitting(members);
    expect(history.lastGeneration, "the group came through both deaths as it was").toBe(generation);
    await expectKept();
  });

  test("of a group of the new protocol, twice, with a fifth member on its way in", { timeout: 60_000 }, async () => {
    await prepare();
    const members = ["a", "b", "c", "d"].map((name) => new ScriptedIncrementalMember(partsOf(name, 5)).start());
    running.push(...members);
    await killTwiceWhileCommitting(members, async () => {
      const fifth = new ScriptedIncrementalMember(partsOf("e", 5)).start();
      running.push(fifth);
      members.push(fifth);
      await waitUntil("the fifth to be a member", () => fifth.epoch > 0, { pauseMs: 1 });
    });
    await expectKept();
  });

  async function killTwiceWhileCommitting(
    members: readonly { readonly owned: readonly number[]; readonly workedAtMs: readonly number[] }[],
    beforeKill: () => Promise<void> = async () => {},
  ): Promise<void> {
    await waitUntil("a working group", () => share(members, 0));
    const watch = new CommitsWatch();
    for (const time of [1, 2]) {
      const commits = ledger.commitsCount;
      await waitUntil("many commits", () => ledger.commitsCount > commits + 300);
      const coordinator = await leaderOfGroup();
      if (time === 1) await beforeKill();
      const killedAtMs = performance.now();
      await on.cluster.kill(coordinator);
      await waitUntil("all members to work", () => share(members, killedAtMs));
      const looks = watch.looks;
      await waitUntil("looks at what is committed", () => watch.looks > looks + 10);
      expect(Math.max(...recoveries(members, killedAtMs))).toBeLessThan(recoveryMaxMs);
      await restart(coordinator);
    }
    await watch.end();
    expect(watch.looks).toBeGreaterThan(20);
    await Promise.all(running.splice(0).map((member) => member.stop()));
  }
});

describe.each(["classic", "consumer"] as const)("our own client, %s protocol", (groupProtocol) => {
  test("the coordinator's broker is killed while a fifth consumer joins and records flow: nothing is left out, no partition has two owners", {
    timeout: 60_000,
  }, async () => {
    await prepare();
    const records = new HandedOutRecords();
    const consumers = ["a", "b", "c", "d"].map((name) => startConsumer(name, groupProtocol, records));
    await waitUntil("four shares", () => shared(consumers));
    await produceNumbered(on.bootstrap, topic, { partitions, count: 100 });
    const coordinator = await leaderOfGroup();
    consumers.push(startConsumer("e", groupProtocol, records));
    await waitUntil("the fifth on its way in", isRebalancing, { pauseMs: 1 });
    const flow = produceNumbered(on.bootstrap, topic, { partitions, count: 400, from: 100 });
    const killedAtMs = performance.now();
    await on.cluster.kill(coordinator);
    await waitUntil("five shares", () => shared(consumers));
    expect(performance.now() - killedAtMs).toBeLessThan(recoveryMaxMs);
    await flow;
    await waitUntil("all records", () => records.distinctCount >= partitions * 500);
    expect(new Set(records.all.map(({ value }) => value)).size).toBe(partitions * 500);
    expect(history.faults).toEqual([]);
    await Promise.all(running.splice(0).map((member) => member.stop()));
    await on.cluster.startBroker(coordinator);
    await on.cluster.replicasIdentical("__consumer_offsets");
  });

  interface Started {
    readonly owned: Set<number>;
    stop(): Promise<void>;
  }

  const shared = (consumers: readonly Started[]) =>
    consumers.every(({ owned }) => owned.size > 0) && consumers.reduce((sum, { owned }) => sum + owned.size, 0) === partitions;

  function startConsumer(name: string, protocol: "classic" | "consumer", records: HandedOutRecords): Started {
    const owned = new Set<number>();
    const numbers = (of: readonly TopicPartition[]) => of.map(({ partition }) => partition);
    const gone = (of: readonly TopicPartition[]) => {
      history.released(name, numbers(of));
      for (const partition of numbers(of)) owned.delete(partition);
    };
    const consumer = new Consumer({
      bootstrap: on.bootstrap,
      valueSerde: stringSerde,
      offsetReset: "earliest",
      group: `group-of-${topic}`,
      groupProtocol: protocol,
      sessionTimeoutMs,
      heartbeatIntervalMs: 200,
      autoCommitIntervalMs: 200,
      onAssigned: (of) => {
        history.expectFree(numbers(of), name);
        history.assigned({ generation: history.assignments.length, member: name, partitions: numbers(of) });
        for (const partition of numbers(of)) owned.add(partition);
      },
      onRevoked: gone,
      onLost: gone,
    });
    const ended = (async () => {
      await consumer.subscribe([topic]);
      for await (const { partition, offset, value } of consumer)
        records.take({ member: name, partition, offset, value: value ?? "", atMs: Date.now() });
    })();
    ended.catch(() => {}); // seen at stop
    const stop = async () => {
      await consumer.close();
      await ended;
    };
    const started = { owned, stop };
    running.push(started);
    return started;
  }
});
