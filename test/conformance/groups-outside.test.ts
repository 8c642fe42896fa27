import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Admin, type GroupDescription, orThrow } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { HandedOutRecords, produceNumbered } from "../support/group/handed-out.ts";
import {
  kafkajsMember,
  kcatMember,
  ottlaMember,
  platformaticMember,
  type RunningMember,
  type StartMember,
} from "../support/outside/group-members.ts";
import { noKcat } from "../support/outside/kcat.ts";
import { waitUntil } from "../support/wait-until.ts";

const partitions = 6;

interface Kind {
  readonly name: string;
  readonly start: StartMember;
  readonly assignor: string;
  /**
   * kcat cannot be told to commit more often than every 5 s (it takes the setting for one of the topic's); it does commit when it gives
   * partitions up.
   */
  readonly commitsSeldom?: boolean;
  /**
   * It hands out what a fetch brings that was under way when the partition went to another member: then that member has those records as
   * well.
   */
  readonly handsOutLate?: boolean;
  readonly missing?: string | null;
}

const kinds: readonly Kind[] = [
  { name: "Ottla's client", start: ottlaMember(), assignor: "cooperative-sticky" },
  { name: "kafkajs", start: kafkajsMember, assignor: "RoundRobinAssigner" },
  { name: "@platformatic/kafka", start: platformaticMember, assignor: "roundrobin", handsOutLate: true },
  { name: "kcat", start: kcatMember(), assignor: "range", commitsSeldom: true, missing: noKcat },
  {
    name: "kcat with cooperative-sticky",
    start: kcatMember({ "partition.assignment.strategy": "cooperative-sticky" }),
    assignor: "cooperative-sticky",
    commitsSeldom: true,
    missing: noKcat,
  },
];

let cluster: TestCluster;
let admin: Admin;
let topicCount = 0;
const running: RunningMember[] = [];

beforeAll(async () => {
  cluster = await TestCluster.start({ settings: { "group.initial.rebalance.delay.ms": 300, "offsets.topic.num.partitions": 5 } });
  admin = new Admin({ bootstrap: cluster.bootstrap });
});

afterEach(async () => {
  await Promise.allSettled(running.splice(0).map((member) => member.stop()));
});

afterAll(async () => {
  await admin?.close();
  await cluster?.stop();
});

async function newTopic(): Promise<string> {
  const name = `grouped-${++topicCount}`;
  orThrow(await admin.createTopics([{ name, partitions }]));
  return name;
}

async function startMember(
  start: StartMember,
  group: string,
  topic: string,
  name: string,
  records: HandedOutRecords,
): Promise<RunningMember> {
  const member = await start({ bootstrap: cluster.bootstrap, group, topic, name, records });
  running.push(member);
  return member;
}

async function stopMember(member: RunningMember): Promise<void> {
  running.splice(running.indexOf(member), 1);
  await member.stop();
}

/**
 * Members with all partitions shared among them. Some clients put no assignment into words that we could read, but what they were given is
 * what they read.
 */
async function untilStable(group: string, memberCount: number): Promise<GroupDescription> {
  return waitUntil(
    `${memberCount} members with all partitions`,
    async () => {
      const [described] = orThrow(await admin.describeGroups([group]));
      if (described === undefined || described.state !== "Stable" || described.members.length !== memberCount) return null;
      return described.members.reduce((sum, member) => sum + member.partitions.length, 0) === partitions ? described : null;
    },
    { timeoutMs: 20_000 },
  );
}

async function untilCommitted(group: string, topic: string, offset: number): Promise<void> {
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  await waitUntil("all of it committed", async () => (await admin.listGroupOffsets(group, all)).every((each) => each.offset === offset));
}

async function untilRead(records: HandedOutRecords, perPartition: number): Promise<void> {
  await waitUntil("all records", () => records.distinctCount >= partitions * perPartition, { timeoutMs: 20_000 }).catch((error) => {
    throw new Error(records.faults(partitions, perPartition).join("\n"), { cause: error });
  });
}

describe.each(kinds.map((kind) => [kind.name, kind] as const))("a group of %s", (_name, kind) => {
  test.skipIf(typeof kind.missing === "string")(
    "shares a topic, a third member joins and one leaves: every record once",
    { timeout: 60_000 },
    async () => {
      const topic = await newTopic();
      const group = `of-${topic}`;
      const records = new HandedOutRecords();
      const [first] = await Promise.all(["first", "second"].map((name) => startMember(kind.start, group, topic, name, records)));
      const described = await untilStable(group, 2);
      expect(described).toMatchObject({ protocolType: "consumer", type: "classic", assignor: kind.assignor });
      expect(described.members.map(({ clientId }) => clientId).sort()).toEqual(["first", "second"]);
      expect(described.members.map((member) => member.partitions.length)).toEqual([3, 3]);
      await produceNumbered(cluster.bootstrap, topic, { partitions, count: 100 });
      await untilRead(records, 100);
      if (kind.commitsSeldom !== true) await untilCommitted(group, topic, 100);

      await startMember(kind.start, group, topic, "third", records);
      await untilStable(group, 3);
      await produceNumbered(cluster.bootstrap, topic, { partitions, count: 50, from: 100 });
      await untilRead(records, 150);
      if (kind.commitsSeldom !== true) await untilCommitted(group, topic, 150);
      for (const member of ["first", "second", "third"]) expect(records.countOf(member)).toBeGreaterThan(0);

      await stopMember(first!);
      await untilStable(group, 2);
      await produceNumbered(cluster.bootstrap, topic, { partitions, count: 50, from: 150 });
      await untilRead(records, 200);
      if (kind.handsOutLate !== true) expect(records.faults(partitions, 200)).toEqual([]);
      expect(records.distinctCount).toBe(partitions * 200);
      expect(records.outOfOrder()).toEqual([]);
      expect(records.strangers()).toEqual([]);
    },
  );
});

test.skipIf(noKcat !== null)("kcat and Ottla's client share one group with range", { timeout: 60_000 }, async () => {
  const topic = await newTopic();
  const group = `mixed-${topic}`;
  const records = new HandedOutRecords();
  await startMember(kcatMember({ "partition.assignment.strategy": "range" }), group, topic, "kcat", records);
  await untilStable(group, 1);
  const ours = await startMember(ottlaMember({ assignors: ["range"] }), group, topic, "ottla", records);
  const described = await untilStable(group, 2);
  expect(described.assignor).toBe("range");
  const shares = described.members.map((member) => member.partitions.map(({ partition }) => partition).sort());
  expect(shares.sort()).toEqual([
    [0, 1, 2],
    [3, 4, 5],
  ]);
  await produceNumbered(cluster.bootstrap, topic, { partitions, count: 100 });
  await untilRead(records, 100);
  for (const { clientId, partitions: share } of described.members)
    expect(records.partitionsOf(clientId)).toEqual(share.map(({ partition }) => partition).sort());
  await stopMember(ours);
  await untilStable(group, 1);
  // now ours leads the group: kcat comes to it instead of the other way round
  await startMember(ottlaMember({ assignors: ["range"] }), group, topic, "ottla again", records);
  await untilStable(group, 2);
  await produceNumbered(cluster.bootstrap, topic, { partitions, count: 100, from: 100 });
  await untilRead(records, 200);
  expect(records.faults(partitions, 200)).toEqual([]);
  expect(records.countOf("ottla again")).toBe(300);
});

test("a group consumed by one client is continued by the next from its committed offsets", { timeout: 90_000 }, async () => {
  const topic = await newTopic();
  const group = `passed-on-${topic}`;
  const records = new HandedOutRecords();
  const usable = kinds.filter(({ missing }) => typeof missing !== "string");
  // round twice: each client continues what another one committed
  for (const [round, { name, start, commitsSeldom }] of [...usable, ...usable].entries()) {
    const reader = `${round} ${name}`;
    const member = await startMember(start, group, topic, reader, records);
    await produceNumbered(cluster.bootstrap, topic, { partitions, count: 20, from: round * 20 });
    await untilRead(records, (round + 1) * 20);
    if (commitsSeldom !== true) await untilCommitted(group, topic, (round + 1) * 20);
    await stopMember(member);
    await untilCommitted(group, topic, (round + 1) * 20);
    expect(records.countOf(reader), reader).toBe(partitions * 20);
  }
  expect(records.faults(partitions, usable.length * 2 * 20)).toEqual([]);
  expect(records.strangers()).toEqual([]);
});
