import { expect, test } from "vitest";
import { Consumer } from "../../client/index.ts";
import { MemberCommand, numbers, sorted } from "../support/group/consuming-members.ts";
import { useGroupCluster } from "../support/group/group-cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { waitUntil } from "../support/wait-until.ts";

const on = useGroupCluster({ topics: "spoken", settings: { "group.initial.rebalance.delay.ms": 100 } });

const run = (args: string) => new OttlaCommand([...args.split(" "), "--bootstrap", on.bootstrap.join(",")]).result;
const json = async (args: string) => {
  const { code, stdout, stderr } = await run(`${args} --json`);
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return JSON.parse(stdout);
};
const lines = async (args: string) => {
  const { code, stdout, stderr } = await run(args);
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout
    .trimEnd()
    .split("\n")
    .filter((line) => line !== "");
};

test.each([["classic"], ["consumer"]])(
  "%s: a group consumes in turns, is described, moved and deleted",
  async (protocol) => {
    const topic = await on.newTopic(2);
    const group = `cli-${topic}`;
    await Promise.all(numbers(100).map((n) => on.producer.send({ topic, partition: n % 2, value: String(n) })));
    const consume = `consume ${topic} --group ${group} --from beginning --group-protocol ${protocol}`;
    const first = await lines(`${consume} --max 30`);
    expect(first).toHaveLength(30);
    const rest = await lines(`${consume} --until-end`);
    expect(sorted([...first, ...rest].map(Number))).toEqual(numbers(100));
    expect(await lines(`${consume} --until-end`)).toEqual([]);

    const listed = await json("group list");
    expect(listed).toContainEqual({ group, type: protocol, state: "Empty", protocolType: "consumer", members: 0, lag: 0 });
    expect((await lines("group list")).some((line) => line.split(/ +/).join(" ") === `${group} ${protocol} Empty 0 0`)).toBe(true);

    const [empty] = await json(`group describe ${group}`);
    const nobody = { topic, member: null, host: null, clientId: null };
    expect(empty).toMatchObject({ group, state: "Empty", members: [] });
    expect(empty.partitions).toEqual(
      [0, 1].map((partition) => ({ ...nobody, partition, position: 50, start: 0, end: 50, outOfRange: null, lag: 0, lagMs: 0 })),
    );

    const dry = await json(`group reset-offsets ${group} --topic ${topic}:1 --shift-by -5 --dry-run`);
    expect(dry).toEqual({ group, dryRun: true, partitions: [{ topic, partition: 1, from: 50, to: 45 }] });
    expect((await json(`group describe ${group}`))[0].partitions[1].position).toBe(50);
    await json(`group reset-offsets ${group} --topic ${topic}:1 --shift-by -5`);
    expect((await json(`group describe ${group}`))[0].partitions.map(({ lag }: { lag: number }) => lag)).toEqual([0, 5]);
    const [behind] = await json(`group describe ${group}`);
    expect(behind.partitions.map(({ lagMs }: { lagMs: number }) => lagMs > 0 && lagMs < 300_000)).toEqual([false, true]);
    expect(await lines(`${consume} --until-end`)).toHaveLength(5);
    for (const [target, to] of [
      ["--to-latest", [50, 50]],
      ["--to-offset 40", [40, 40]],
      ["--by-duration 1h", [0, 0]],
      ["--to-datetime 2001-01-01T00:00:00Z", [0, 0]],
    ] as const) {
      const moved = await json(`group reset-offsets ${group} --all-topics ${target} --dry-run`);
      expect(
        moved.partitions.map((each: { to: number }) => each.to),
        target,
      ).toEqual(to);
    }
    await lines(`group reset-offsets ${group} --all-topics --to-earliest`);
    expect(await lines(`${consume} --until-end`)).toHaveLength(100);

    const member = MemberCommand.ottla({ bootstrap: on.bootstrap, topic, group, closers: on.closers }, "--group-protocol", protocol);
    await waitUntil("a member that has both partitions", async () => {
      const [described] = await json(`group describe ${group}`);
      return described.members.length === 1 && described.partitions.every((each: { member: string | null }) => each.member !== null);
    });
    const [shown] = await json(`group describe ${group}`);
    expect(shown.partitions[0]).toMatchObject({ clientId: "ottla-consume", host: expect.stringMatching(/127\.0\.0\.1/), lag: 0 });
    expect((await lines(`group describe ${group}`))[0]).toMatch(new RegExp(`^${group}  ${protocol}  Stable  \\S+  1 member  lag 0$`));
    for (const args of [
      `group reset-offsets ${group} --all-topics --to-earliest`,
      `group delete ${group}`,
      "group describe nobody",
      "group delete nobody",
    ]) {
      const { code, stderr } = await run(args);
      expect({ args, code }).toEqual({ args, code: 1 });
      expect(stderr, args).toMatch(/^ottla: [^\n]+\n$/);
    }
    member.signal("SIGTERM");
    expect(await member.exited).toBe(0);
    expect(await lines(`group delete ${group}`)).toEqual([`deleted ${group}`]);
    expect((await json("group list")).map((each: { group: string }) => each.group)).not.toContain(group);
  },
  400_000,
); // some thirty processes, on a machine that may be busy

test("positions come from a file, one for each partition, and are deleted where no member subscribes to their topic", async () => {
  const topic = await on.newTopic(3);
  const group = `cli-${topic}`;
  await Promise.all(numbers(30).map((n) => on.producer.send({ topic, partition: n % 3, value: String(n) })));
  const reset = (args: string, file: string) =>
    new OttlaCommand(`group reset-offsets ${group} --from-file - --bootstrap ${on.bootstrap.join(",")} ${args}`.trim().split(" "), file)
      .result;
  const file = `${topic},0,4\n${topic}\t2\t99\n`;
  expect(await reset("--dry-run", file)).toMatchObject({ code: 0, stdout: expect.stringContaining("nothing was changed") });
  expect(JSON.parse((await reset("--json", file)).stdout).partitions).toEqual([
    { topic, partition: 0, from: -1, to: 4 },
    { topic, partition: 2, from: -1, to: 10 },
  ]);
  expect(await reset("", `${topic},0`)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ottla: line 1 of standard input is no/) });
  expect(await reset("", `${topic},7,0`)).toMatchObject({ code: 2, stderr: expect.stringContaining("none is 7") });
  expect(await reset("--to-latest", file)).toMatchObject({ code: 2, stderr: expect.stringContaining("leave the other options out") });
  const positions = async () =>
    (await json(`group describe ${group}`))[0].partitions.map((each: { partition: number; position: number }) => [
      each.partition,
      each.position,
    ]);
  expect(await positions()).toEqual([
    [0, 4],
    [2, 10],
  ]);
  expect(await lines(`group delete-offsets ${group} --topic ${topic}:2`)).toEqual([
    expect.stringMatching(/^topic +partition {2}deleted$/),
    expect.stringMatching(new RegExp(`^${topic} +2 {2}10 *$`)),
  ]);
  expect(await positions()).toEqual([[0, 4]]);
  const gone = await run(`group delete-offsets ${group} --topic ${topic}:2`);
  expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining(`group ${group} has no position in ${topic}-2`) });
  await using member = new Consumer({ bootstrap: on.bootstrap, group });
  await member.subscribe([topic]);
  const reading = member.run({}, async () => {});
  await waitUntil("a member", async () => (await json(`group describe ${group}`))[0].members.length === 1);
  const subscribed = await run(`group delete-offsets ${group} --topic ${topic}`);
  expect(subscribed).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("GROUP_SUBSCRIBED_TO_TOPIC") });
  await member.close();
  await reading;
  const nobody = await run(`group delete-offsets nobody --topic ${topic}`);
  expect(nobody).toMatchObject({ code: 1, stderr: expect.stringMatching(/^ottla: group nobody: .*\(GROUP_ID_NOT_FOUND\); see [^\n]+\n$/) });
  const deleted = await json(`group delete-offsets ${group} --topic ${topic}`);
  expect(deleted.group).toBe(group);
  expect(await run(`group delete-offsets ${group} --topic ${topic}`)).toMatchObject({ code: 1 });
});

test("groups are listed by state, named by patterns, and deleted by them only when that was said twice", async () => {
  const topic = await on.newTopic(1);
  const group = `byname-${topic}`;
  await on.producer.send({ topic, value: "1" });
  for (const name of [`${group}-a`, `${group}-b`]) await lines(`group reset-offsets ${name} --topic ${topic} --to-earliest`);
  await using member = new Consumer({ bootstrap: on.bootstrap, group: `${group}-c` });
  await member.subscribe([topic]);
  const reading = member.run({}, async () => {});
  const listed = async (args: string) =>
    (await json(`group list ${args}`)).map((each: { group: string }) => each.group).filter((name: string) => name.startsWith(group));
  await waitUntil("a stable group", async () => (await listed("--state Stable")).length === 1);
  expect(await listed("--state Stable")).toEqual([`${group}-c`]);
  expect(await listed("--state Empty")).toEqual([`${group}-a`, `${group}-b`]);
  expect(await listed("--state Empty Stable")).toHaveLength(3);
  expect(await run("group list --state Asleep")).toMatchObject({ code: 2, stderr: expect.stringContaining("PreparingRebalance") });
  const described = await json(`group describe ${group}-?`);
  expect(described.map((each: { group: string }) => each.group)).toEqual([`${group}-a`, `${group}-b`, `${group}-c`]);
  expect(await run("group describe none-*")).toMatchObject({ code: 1, stderr: expect.stringContaining("no group matches") });
  const unsure = await run(`group delete ${group}-*`);
  expect(unsure).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`that matches 3 groups: ${group}-a, ${group}-b, ${group}-c; add --yes`),
  });
  await member.close();
  await reading;
  await waitUntil("it to be empty", async () => (await listed("--state Empty")).length === 3);
  expect(await lines(`group delete /^${group}-[ab]$/ --yes`)).toEqual([`deleted ${group}-a`, `deleted ${group}-b`]);
  expect(await listed("--state Empty")).toEqual([`${group}-c`]);
}, 200_000);

test("a lag that nobody knows is not shown as none, and a rebalance says whom it waits for", async () => {
  const topic = await on.newTopic(2);
  const group = `cli-${topic}`;
  await on.producer.send({ topic, partition: 0, value: "1" });
  const summary = async () => lines(`group describe ${group}`);
  {
    await using uncommitted = new Consumer({ bootstrap: on.bootstrap, group, offsetReset: "earliest", autoCommit: false });
    await uncommitted.subscribe([topic]);
    await uncommitted[Symbol.asyncIterator]().next();
    expect((await summary())[0]).toMatch(/ 1 member {2}lag unknown$/);
    await uncommitted.commit([{ topic, partition: 0, offset: 0 }]);
    expect((await summary())[0]).toMatch(/ lag 1 \(unknown in 1 of 2 partitions\)$/);
  }
  // as long as it sleeps it must not be given up, however long a busy machine takes to start the commands that look
  const patient = ["--session-timeout", "60000"];
  const asleep = MemberCommand.ottla({ bootstrap: on.bootstrap, topic, group, closers: on.closers }, ...patient);
  await waitUntil("a member with both partitions", async () => (await summary())[0]?.includes("  Stable  ") ?? false);
  asleep.signal("SIGSTOP");
  const awake = MemberCommand.ottla({ bootstrap: on.bootstrap, topic, group, closers: on.closers }, ...patient);
  const since = "\\d\\d:\\d\\d:\\d\\d \\(\\d+s\\)";
  const waiting = new RegExp(`^rebalancing since ${since}, waiting for 1 of 2 members: ottla-consume-\\S+ \\(/127\\.0\\.0\\.1\\)$`);
  await waitUntil("the rebalance to wait for the one that sleeps", async () => waiting.test((await summary())[1] ?? ""));
  expect((await summary())[0]).toMatch(/ {2}PreparingRebalance {2}2 members {2}lag \d+ \(.+\)$/);
  const [described] = await json(`group describe ${group}`);
  expect(described.rebalance).toMatchObject({ sinceMs: expect.any(Number), newcomers: 0, awaited: [described.members[0].memberId] });
  asleep.signal("SIGCONT");
  await waitUntil("it to be over", async () => (await json(`group describe ${group}`))[0].rebalance === null);
  for (const member of [asleep, awake]) {
    member.signal("SIGTERM");
    expect(await member.exited).toBe(0);
  }
}, 200_000);

test("wrong use ends with 2", async () => {
  const topic = await on.newTopic(1);
  for (const args of [
    "group reset-offsets g --all-topics",
    "group reset-offsets g --to-earliest",
    "group reset-offsets g --all-topics --to-earliest --to-latest",
    `group reset-offsets g --topic ${topic}:7 --to-earliest`,
    `consume ${topic} --group g --partition 0`,
    `consume ${topic} --group g --from 12`,
    `consume ${topic} --group g --assignor fair`,
  ])
    expect({ args, code: (await run(args)).code }).toEqual({ args, code: 2 });
});
