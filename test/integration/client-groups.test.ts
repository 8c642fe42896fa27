import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type GroupOptions, orThrow } from "../../client/index.ts";
import {
  type AnyMember,
  Member,
  MemberCommand,
  numbers,
  type Place,
  sessionTimeoutMs,
  sorted,
  valuesOf,
} from "../support/group/consuming-members.ts";
import { useGroupCluster } from "../support/group/group-cluster.ts";
import { noKcat } from "../support/outside/kcat.ts";
import { waitUntil } from "../support/wait-until.ts";

const on = useGroupCluster({ topics: "shared", settings: { "group.consumer.session.timeout.ms": sessionTimeoutMs } });

async function newTopic(partitions = 8): Promise<Place> {
  const topic = await on.newTopic(partitions);
  return { bootstrap: on.bootstrap, topic, group: `g-${topic}`, closers: on.closers };
}

/** Numbered values, `from`.. to `to`, over all partitions in turn. */
async function produce(topic: string, from: number, to: number, partitions = 8): Promise<void> {
  const sent = Array.from({ length: to - from }, (_, i) =>
    on.producer.send({ topic, partition: (from + i) % partitions, value: String(from + i) }),
  );
  await Promise.all(sent);
}

function expectInOrder(...members: readonly AnyMember[]): void {
  for (const { got } of members)
    for (const [partition, records] of Map.groupBy(got, (record) => record.partition)) {
      const offsets = records.map(({ offset }) => offset);
      expect(offsets, `partition ${partition}`).toEqual(sorted(offsets));
    }
}

/** Every partition has one owner, and shares are within one of each other. */
async function untilShared(members: readonly Member[], partitions = 8): Promise<void> {
  await waitUntil(`${members.length} members to share ${partitions} partitions`, () => {
    const shares = members.map(({ owned }) => owned.length);
    const isWhole = sorted(members.flatMap(({ owned }) => owned)).join() === numbers(partitions).join();
    return isWhole && Math.max(...shares) - Math.min(...shares) <= 1;
  });
}

const protocols = [
  ["classic, cooperative-sticky", {}],
  ["classic, range", { assignors: ["range"] }],
  ["classic, sticky", { assignors: ["sticky"] }],
  ["the new protocol", { groupProtocol: "consumer" }],
] as const satisfies readonly (readonly [string, GroupOptions])[];

test.each([protocols[0], protocols[3]])(
  "%s: a topic that is deleted and re-created is read from its beginning, whatever was processed of the old one",
  { timeout: 90_000 },
  async (_name, options) => {
    const place = await newTopic(2);
    const { topic, group } = place;
    await produce(topic, 0, 40, 2);
    const member = new Member(place, { ...options, autoCommitIntervalMs: 60_000 });
    await waitUntil("40 records", () => member.got.length === 40);
    let before = 40;
    for (const count of [10, 100]) {
      orThrow(await on.admin.deleteTopics([topic]));
      // long enough that the member has seen it and is about to commit what it processed; how far it is cannot be seen from outside
      await sleep(2_000);
      await waitUntil("the topic to be re-created", async () => {
        const [made] = await on.admin.createTopics([{ name: topic, partitions: 2, replicationFactor: 3 }]);
        return made?.error === null;
      });
      await produce(topic, 1_000, 1_000 + count, 2);
      await waitUntil(`${count} records of the new one`, () => member.got.length >= before + count);
      expect(sorted(valuesOf(member).slice(before))).toEqual(numbers(count).map((n) => 1_000 + n));
      before += count;
    }
    expect(member.error).toBeNull();
    await member.consumer.close();
    const committed = await on.admin.listGroupOffsets(group);
    expect(sorted(committed.map(({ offset }) => offset))).toEqual([50, 50]);
  },
);

describe.each(protocols)("%s", (_name, options) => {
  test("four members take every record once between them, a fifth takes its share, and one that leaves gives back its own", async () => {
    const place = await newTopic();
    const { topic } = place;
    await produce(topic, 0, 2_000);
    const members = Array.from({ length: 4 }, () => new Member(place, options));
    await untilShared(members);
    await waitUntil("2,000 records", () => valuesOf(...members).length >= 2_000);
    const fifth = new Member(place, options);
    const producing = (async () => {
      for (let from = 2_000; from < 6_000; from += 200) {
        await produce(topic, from, from + 200);
        await sleep(50);
      }
    })();
    await untilShared([...members, fifth]);
    await producing;
    await waitUntil("6,000 records", () => valuesOf(...members, fifth).length >= 6_000);
    await members[0]?.consumer.close();
    const rest = [...members.slice(1), fifth];
    await produce(topic, 6_000, 7_000);
    await untilShared(rest);
    await waitUntil("7,000 records", () => valuesOf(...members, fifth).length >= 7_000);
    await sleep(300);
    expect(sorted(valuesOf(...members, fifth))).toEqual(numbers(7_000));
    expectInOrder(...members, fifth);
    expect([...members, fifth].map(({ error }) => error)).toEqual([null, null, null, null, null]);
    expect([...members, fifth].flatMap(({ events }) => events.filter((event) => event.startsWith("!")))).toEqual([]);
  });

  test("three groups each see everything", async () => {
    const place = await newTopic();
    const { topic } = place;
    await produce(topic, 0, 1_000);
    const groups = ["a", "b", "c"].map((name) => [1, 2].map(() => new Member({ ...place, group: `${name}-${topic}` }, options)));
    for (const members of groups) {
      await waitUntil("1,000 records", () => valuesOf(...members).length >= 1_000);
      expect(sorted(valuesOf(...members))).toEqual(numbers(1_000));
    }
  });

  test("a slow handler keeps its membership, and what others wait for is given up when it is done", async () => {
    const place = await newTopic(2);
    const { topic } = place;
    await produce(topic, 0, 100, 2);
    const first = new Member(place, options);
    let slow = true;
    first.handle = async () => {
      while (slow) await sleep(50);
    };
    await waitUntil("the first record", () => first.got.length === 1);
    const second = new Member(place, options);
    await sleep(sessionTimeoutMs + 2_000);
    expect(first.events.filter((event) => event.startsWith("!"))).toEqual([]);
    slow = false;
    await untilShared([first, second], 2);
    await waitUntil("all records", () => valuesOf(first, second).length >= 100);
    await sleep(300);
    expect(sorted(valuesOf(first, second))).toEqual(numbers(100));
  });
});

describe("members that die", () => {
  test.each([
    ["classic", []],
    ["consumer", ["--group-protocol", "consumer"]],
  ] as const)("%s: killed, its partitions are taken over after the session timeout, from its committed positions", async (_name, more) => {
    const place = await newTopic();
    const { topic, group } = place;
    await produce(topic, 0, 2_000);
    const processes = Array.from({ length: 4 }, () => MemberCommand.ottla(place, ...more));
    await waitUntil("2,000 records", () => valuesOf(...processes).length >= 2_000, { timeoutMs: 60_000 });
    await waitUntil("four members, sharing", async () => {
      const [described] = orThrow(await on.admin.describeGroups([group]));
      return described?.members.length === 4 && described.members.every(({ partitions }) => partitions.length === 2);
    });
    // all of it is committed by now, so no member may see any of it again
    await waitUntil("everything to be committed", async () => {
      const offsets = await on.admin.listGroupOffsets(group);
      return offsets.reduce((sum, { offset }) => sum + offset, 0) === 2_000;
    });
    const [victim, ...others] = processes;
    const killedAtMs = performance.now();
    victim?.signal("SIGKILL");
    await produce(topic, 2_000, 3_000);
    await waitUntil("3,000 records", () => new Set(valuesOf(...processes)).size >= 3_000, { timeoutMs: 60_000 });
    const tookMs = performance.now() - killedAtMs;
    console.log(`taken over within ${Math.round(tookMs)} ms`);
    expect(tookMs).toBeLessThan(sessionTimeoutMs + 3_000);
    expect(sorted(valuesOf(...processes))).toEqual(numbers(3_000));
    expectInOrder(...processes);
    for (const process of others) process.signal("SIGTERM");
    expect(await Promise.all(others.map(({ exited }) => exited))).toEqual([0, 0, 0]);
  });

  test.each([
    ["classic", {}],
    ["consumer", { groupProtocol: "consumer" }],
  ] as const)("%s: a static member comes back without a rebalance", async (_name, options) => {
    const place = await newTopic(4);
    const { topic } = place;
    await produce(topic, 0, 100, 4);
    const other = new Member(place, options);
    const first = new Member(place, { ...options, groupInstanceId: "one" });
    await untilShared([other, first], 4);
    await waitUntil("100 records", () => valuesOf(other, first).length >= 100);
    const [events, owned] = [[...other.events], sorted(first.owned)];
    await first.consumer.close();
    await produce(topic, 100, 200, 4);
    await sleep(1_000);
    const again = new Member(place, { ...options, groupInstanceId: "one" });
    await waitUntil("200 records", () => valuesOf(other, first, again).length >= 200);
    expect(sorted(again.owned)).toEqual(owned);
    expect(other.events).toEqual(events);
    expect(sorted(valuesOf(other, first, again))).toEqual(numbers(200));
  });
});

test.each([
  ["classic", {}],
  ["consumer", { groupProtocol: "consumer" }],
] as const)(
  "%s: the coordinator's broker is killed while members join, read and commit: nothing is lost, no commit goes back",
  async (_name, options) => {
    const place = await newTopic();
    const { topic, group } = place;
    await produce(topic, 0, 1_000);
    const members = Array.from({ length: 3 }, () => new Member(place, { ...options, autoCommitIntervalMs: 200 }));
    await untilShared(members);
    await waitUntil("1,000 records", () => valuesOf(...members).length >= 1_000);
    const offsetsTopic = await on.admin.describeTopics(["__consumer_offsets"]);
    const partitions = offsetsTopic[0]?.partitions ?? [];
    let hash = 0;
    for (const c of group) hash = (Math.imul(31, hash) + c.charCodeAt(0)) | 0;
    const coordinator = partitions[Math.abs(hash) % partitions.length]?.leader ?? 1;
    const before = await on.admin.listGroupOffsets(group);
    const fourth = new Member(place, options);
    await on.cluster.kill(coordinator);
    const killedAtMs = performance.now();
    await produce(topic, 1_000, 2_000);
    await waitUntil("2,000 records", () => new Set(valuesOf(...members, fourth)).size >= 2_000, { timeoutMs: 60_000 });
    await untilShared([...members, fourth]);
    console.log(`all at work ${Math.round(performance.now() - killedAtMs)} ms after the coordinator's death`);
    for (const { topic: of, partition, offset } of before) {
      const [now] = await on.admin.listGroupOffsets(group, [{ topic: of, partition }]);
      expect(now?.offset).toBeGreaterThanOrEqual(offset);
    }
    await on.cluster.startBroker(coordinator);
    expect(sorted([...new Set(valuesOf(...members, fourth))])).toEqual(numbers(2_000));
    console.log(`${valuesOf(...members, fourth).length - 2_000} records handed out again`);
  },
);

describe.skipIf(noKcat !== null)(`with kcat${noKcat === null ? "" : ` (skipped: ${noKcat})`}`, () => {
  test.each([
    ["range", []],
    ["cooperative-sticky", ["-X", "partition.assignment.strategy=cooperative-sticky"]],
  ] as const)("kcat and our members share a group by %s", async (assignor, more) => {
    const place = await newTopic();
    const { topic, group } = place;
    await produce(topic, 0, 500);
    const kcat = MemberCommand.kcat(place, ...more);
    const ours = [new Member(place, { assignors: [assignor] }), new Member(place, { assignors: [assignor] })];
    await waitUntil("three members to share", async () => {
      const [described] = orThrow(await on.admin.describeGroups([group]));
      return (
        described?.state === "Stable" &&
        described.members.length === 3 &&
        described.members.every(({ partitions }) => partitions.length >= 2)
      );
    });
    const late = [ours[0], ours[1]].map((member) => member?.got.length ?? 0);
    await produce(topic, 500, 2_000);
    await waitUntil("2,000 records", () => new Set(valuesOf(kcat, ...ours)).size >= 2_000);
    for (const [i, member] of ours.entries()) expect(member.got.length).toBeGreaterThan(late[i] ?? 0);
    expect(kcat.got.length).toBeGreaterThan(0);
    expectInOrder(...ours);
    kcat.signal("SIGTERM");
    await untilShared(ours);
    await produce(topic, 2_000, 2_500);
    await waitUntil("2,500 records", () => new Set(valuesOf(kcat, ...ours)).size >= 2_500);
  });

  test("a group that kcat consumed is continued by ours, and the other way round", async () => {
    const place = await newTopic(4);
    const { topic } = place;
    await produce(topic, 0, 400, 4);
    const kcat = MemberCommand.kcat(place);
    await waitUntil("400 records", () => kcat.got.length >= 400);
    kcat.signal("SIGTERM");
    await kcat.exited;
    await produce(topic, 400, 800, 4);
    const ours = new Member(place, { assignors: ["range"] });
    await waitUntil("400 more", () => ours.got.length >= 400);
    await waitUntil("all to be processed", async () => {
      const offsets = ours.consumer.assignment();
      return offsets.every(({ position }) => position === 200);
    });
    await sleep(100);
    await ours.consumer.close();
    await produce(topic, 800, 1_000, 4);
    const again = MemberCommand.kcat(place);
    await waitUntil("200 more", () => again.got.length >= 200);
    expect(sorted(valuesOf(kcat, ours, again))).toEqual(numbers(1_000));
  });
});
