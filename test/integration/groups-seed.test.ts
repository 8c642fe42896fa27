import { describe, expect, test } from "vitest";
import { Consumer, stringSerde } from "../../client/index.ts";
import { useGroupCluster } from "../support/group/group-cluster.ts";
import { HandedOutRecords, produceNumbered } from "../support/group/handed-out.ts";
import { MemberProcess } from "../support/group/member-process.ts";
import { waitUntil } from "../support/wait-until.ts";

const partitions = 8;
const sessionTimeoutMs = 6_000;
/** After the session timeout, for the rebalance. */
const takeoverGraceMs = 3_000;

const on = useGroupCluster({
  topics: "shared",
  settings: {
    "group.initial.rebalance.delay.ms": 500,
    "group.consumer.session.timeout.ms": sessionTimeoutMs,
    "offsets.topic.num.partitions": 5,
  },
});

describe.each(["classic", "consumer"] as const)("groups of the %s protocol", (groupProtocol) => {
  function startMember(name: string, group: string, topic: string, records: HandedOutRecords, handlingMs = 0): MemberProcess {
    const options = { group, groupProtocol, sessionTimeoutMs, heartbeatIntervalMs: 500, autoCommitIntervalMs: 500 };
    const member = new MemberProcess(name, { bootstrap: on.bootstrap, topic, handlingMs, options }, records);
    on.closers.push(() => member.kill());
    return member;
  }

  async function untilShared(sharing: readonly MemberProcess[]): Promise<void> {
    await waitUntil(
      "each partition with one owner, in equal shares",
      () => {
        const owned = sharing.map((member) => member.owned);
        const least = Math.floor(partitions / sharing.length);
        return (
          owned.flat().length === partitions && new Set(owned.flat()).size === partitions && owned.every(({ length }) => length >= least)
        );
      },
      { timeoutMs: 20_000 },
    ).catch((error) => {
      throw new Error(sharing.map(({ name, owned, complaints }) => `${name}: ${owned} ${complaints}`).join("\n"), { cause: error });
    });
  }

  test("four members share eight partitions, a fifth joins, one dies: every record is handled, in order, once while nothing fails", {
    timeout: 90_000,
  }, async () => {
    const topic = await on.newTopic(partitions);
    const group = `seed-${groupProtocol}`;
    const records = new HandedOutRecords();
    const four = ["a", "b", "c", "d"].map((name) => startMember(name, group, topic, records));
    await untilShared(four);
    await produceNumbered(on.bootstrap, topic, { partitions, count: 200 });
    await waitUntil("all records", () => records.all.length >= partitions * 200);
    expect(records.faults(partitions, 200)).toEqual([]);
    expect(records.strangers()).toEqual([]);
    for (const { name } of four) expect(records.partitionsOf(name)).toHaveLength(2);

    // a fifth joins while records flow: still each once
    const fifth = startMember("e", group, topic, records);
    const five = [...four, fifth];
    for (let from = 200; fifth.owned.length === 0 || from < 400; from += 20)
      await produceNumbered(on.bootstrap, topic, { partitions, count: 20, from });
    const soFar = (await on.admin.listOffsets([{ topic, partition: 0, spec: "latest" }]))[0]?.offset ?? 0;
    await waitUntil("all five to have a share", () => five.every(({ owned }) => owned.length > 0));
    await produceNumbered(on.bootstrap, topic, { partitions, count: 50, from: soFar });
    const untilJoined = soFar + 50;
    await waitUntil("all records", () => records.all.length >= partitions * untilJoined);
    await untilShared(five.filter(({ owned }) => owned.length > 0));
    expect(records.faults(partitions, untilJoined)).toEqual([]);
    expect(records.countOf("e")).toBeGreaterThan(0);

    // one is killed with records in flight; its partitions are taken over from what it had committed
    const [victim, ...others] = four as [MemberProcess, ...MemberProcess[]];
    const survivors = [...others, fifth];
    await waitUntil("its commits", async () => (await committedOf(group, topic, victim.owned)).every((offset) => offset === untilJoined));
    const orphans = victim.owned;
    const killedAtMs = Date.now();
    await victim.kill();
    await produceNumbered(on.bootstrap, topic, { partitions, count: 50, from: untilJoined });
    await untilShared(survivors);
    const takenOver = survivors.flatMap(({ events }) => events.filter(({ kind, atMs }) => kind === "assigned" && atMs > killedAtMs));
    const tookMs = Math.max(...takenOver.map(({ atMs }) => atMs)) - killedAtMs;
    expect(tookMs).toBeLessThan(sessionTimeoutMs + takeoverGraceMs);
    expect(tookMs, "nobody was thrown out before its time").toBeGreaterThan(sessionTimeoutMs - 2_000);
    await waitUntil("all records", () => records.distinctCount >= partitions * (untilJoined + 50));
    expect(records.faults(partitions, untilJoined + 50)).toEqual([]);
    for (const orphan of orphans) expect(records.of(orphan).find(({ atMs }) => atMs > killedAtMs)?.offset).toBe(untilJoined);
    expect(records.outOfOrder()).toEqual([]);
    await Promise.all(survivors.map((member) => member.stop()));
    expect(survivors.map(({ complaints }) => complaints).join("")).toBe("");
  });

  test("what a killed member had not committed is handled again by another, and nothing is left out", { timeout: 60_000 }, async () => {
    const topic = await on.newTopic(partitions);
    const group = `killed-${groupProtocol}`;
    const records = new HandedOutRecords();
    await produceNumbered(on.bootstrap, topic, { partitions, count: 200 });
    const [first, second] = [startMember("first", group, topic, records, 1), startMember("second", group, topic, records, 1)];
    await untilShared([first, second]);
    await waitUntil("some commits, with records under way", async () => {
      const committed = await committedOf(group, topic, first.owned);
      return committed.some((offset) => offset > 0) && records.countOf("first") > 100;
    });
    const killedAtMs = Date.now();
    await first.kill();
    const committed = await on.admin.listGroupOffsets(
      group,
      first.owned.map((partition) => ({ topic, partition })),
    );
    await waitUntil("all records", () => records.distinctCount === partitions * 200, { timeoutMs: 20_000 });
    for (const [index, partition] of first.owned.entries()) {
      // the second may have had it before the first joined
      const next = records.of(partition).find(({ member, atMs }) => member === "second" && atMs > killedAtMs);
      if (next !== undefined) expect(next.offset).toBe(Math.max(committed[index]?.offset ?? 0, 0));
    }
    expect(records.outOfOrder()).toEqual([]);
    expect(records.strangers()).toEqual([]);
  });

  test("three groups each see everything", { timeout: 60_000 }, async () => {
    const topic = await on.newTopic(partitions);
    await produceNumbered(on.bootstrap, topic, { partitions, count: 100 });
    const groups = ["x", "y", "z"].map((name) => ({ name, records: new HandedOutRecords() }));
    const consumers = groups.flatMap(({ name, records }) =>
      [1, 2].map((number) => {
        const member = `${name}${number}`;
        const options = {
          group: `${name}-${groupProtocol}`,
          groupProtocol,
          sessionTimeoutMs,
          heartbeatIntervalMs: 500,
          offsetReset: "earliest",
        } as const;
        const consumer = new Consumer({ bootstrap: on.bootstrap, valueSerde: stringSerde, ...options });
        return { consumer, ended: consumeInto(records, member, consumer, topic) };
      }),
    );
    await waitUntil("all records in each group", () => groups.every(({ records }) => records.all.length >= partitions * 100));
    await Promise.all(consumers.map(({ consumer }) => consumer.close()));
    await Promise.all(consumers.map(({ ended }) => ended));
    for (const { records } of groups) expect(records.faults(partitions, 100)).toEqual([]);
  });
});

async function consumeInto(records: HandedOutRecords, member: string, consumer: Consumer<Buffer, string>, topic: string): Promise<void> {
  await consumer.subscribe([topic]);
  for await (const { partition, offset, value } of consumer)
    records.take({ member, partition, offset, value: value ?? "", atMs: Date.now() });
}

async function committedOf(group: string, topic: string, of: readonly number[]): Promise<number[]> {
  const found = await on.admin.listGroupOffsets(
    group,
    of.map((partition) => ({ topic, partition })),
  );
  return found.map(({ offset }) => offset ?? -1);
}
