import { afterAll, beforeAll, expect, test } from "vitest";
import { Admin } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({
    brokers: 4,
    // a leader moves when it is told to
    settings: { "auto.leader.rebalance.enable": false, "ottla.reassignment.partitions.at.once": 1 },
    settingsOf: { 1: { "broker.rack": "a" }, 2: { "broker.rack": "a" }, 3: { "broker.rack": "b" }, 4: { "broker.rack": "b" } },
  });
});
afterAll(async () => {
  await OttlaCommand.killAll();
  await cluster?.stop();
});

function run(args: string, stdin?: string) {
  return new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join(",")], stdin).result;
}

async function text(args: string, stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await run(args, stdin);
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return stdout;
}

async function json(args: string) {
  return JSON.parse(await text(`${args} --json`));
}

interface Planned {
  readonly broker: number;
  readonly before: { readonly replicas: number; readonly leaders: number; readonly bytes: number };
  readonly after: { readonly replicas: number; readonly leaders: number; readonly bytes: number };
}

const lines = (count: number) => `${"x".repeat(99)}\n`.repeat(count);

test("a broker with nothing on it is pointed out, and a plan gives it its share, with the bytes that the disks have", async () => {
  // all on 1, 2 and 3; the first partition is the largest
  await text("topic create uneven --replica-assignment 1:3,2:3,1:3,2:3");
  await text("produce uneven --partition 0", lines(4000));
  await text("produce uneven --partition 3", lines(1000));
  const described = await json("cluster describe");
  expect(described.brokers.map(({ replicas, leaders }: { replicas: number; leaders: number }) => [replicas, leaders])).toEqual([
    [2, 2],
    [2, 2],
    [4, 0],
    [0, 0],
  ]);
  expect(await text("cluster describe")).toMatch(/^ +4 .* nothing on it$/m);

  const plan = await json("cluster rebalance --dry-run --by replicas --throttle 100kB/s");
  expect(plan.brokers.map(({ after }: Planned) => after.replicas)).toEqual([2, 2, 2, 2]);
  expect(plan.brokers.map(({ after }: Planned) => after.leaders)).toEqual([1, 1, 1, 1]);
  const sizes = await json("topic describe uneven");
  const [first, second, third] = sizes[0].partitions.map(({ sizeInBytes }: { sizeInBytes: number }) => sizeInBytes);
  expect(plan.brokers[0].before.bytes).toBe(first + third);
  // the two that are empty cost nothing, whatever else is large
  expect([second, third, plan.bytes, plan.expectedMs]).toEqual([0, 0, 0, 0]);
});

test("a plan by bytes is a table, and no change", async () => {
  const before = await json("topic describe uneven");
  const plan = await text("cluster rebalance --dry-run --throttle 100kB/s");
  expect(plan).toMatch(/^topic +partition +from +to +copied$/m);
  expect(plan).toMatch(/^broker +rack +leaders +then +replicas +then +size +then +receives +sends$/m);
  expect(plan).toMatch(/nothing was changed; without --dry-run it would be\n$/);
  const { brokers } = await json("cluster rebalance --dry-run");
  const [, , , fourth] = brokers as readonly Planned[];
  expect(fourth!.after.bytes).toBeGreaterThan(0);
  expect(await json("topic describe uneven")).toEqual(before);
});

test("racks keep copies apart in every plan", async () => {
  const { moves } = await json("cluster drain 3 --dry-run");
  expect(moves).toHaveLength(4);
  for (const { from, to } of moves) expect([from[0], to]).toEqual([from[0], [from[0], 4]]);
  const { code, stderr } = await run("cluster rebalance --dry-run --brokers 1");
  expect({ code, stderr }).toEqual({ code: 1, stderr: "ottla: uneven-0 is to have 2 copies, and only 1 broker may have one\n" });
});

test("what cannot be done says so", async () => {
  expect(await run("cluster rebalance --cancel --throttle 1MB/s")).toMatchObject({ code: 2, stderr: expect.stringContaining("--cancel") });
  expect(await run("cluster rebalance --watch --cancel")).toMatchObject({ code: 2 });
  expect(await run("topic alter uneven --replication-factor 3 --partitions 9")).toMatchObject({ code: 2 });
  expect(await run("topic alter uneven --replication-factor 5")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("only 4 brokers"),
  });
  expect(await text("cluster rebalance --watch")).toBe("");
  expect(await text("cluster rebalance --cancel")).toBe("no moves are under way\n");
  expect(await run("cluster drain 9 --dry-run")).toMatchObject({ code: 1, stderr: expect.stringContaining("there is no broker 9") });
  expect(await run("cluster rebalance --dry-run --throttle fast")).toMatchObject({ code: 2, stderr: expect.stringContaining("20MB/s") });
});

test("preferred leaders are elected, where it is needed, and a broker that is away is planned around only when it is drained", async () => {
  await cluster.shutDown(1);
  await waitUntil("2 or 3 to lead", async () => {
    const [{ partitions }] = await json("topic describe uneven");
    return partitions.every(({ leader }: { leader: number }) => leader === 2 || leader === 3);
  });
  expect(await run("cluster rebalance --dry-run")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("broker 1 is away and has 2 copies"),
  });
  const { moves } = await json("cluster drain 1 --dry-run");
  expect(moves.map(({ partition, to }: { partition: number; to: number[] }) => [partition, to])).toEqual([
    [0, [3, 2]],
    [2, [3, 2]],
  ]);
  await cluster.startBroker(1);
  await waitUntil("1 to be in sync", async () => (await json("topic describe --under-replicated")).length === 0);
  expect(await text("topic elect-leaders uneven --partition 1")).toBe("the preferred leaders lead already\n");
  expect(await json("topic elect-leaders uneven")).toEqual({
    type: "preferred",
    elected: [
      { topic: "uneven", partition: 0 },
      { topic: "uneven", partition: 2 },
    ],
  });
  await waitUntil("1 to lead", async () => {
    const [{ partitions }] = await json("topic describe uneven");
    return partitions[0].leader === 1 && partitions[2].leader === 1;
  });
  expect(await text("topic elect-leaders")).toBe("the preferred leaders lead already\n");
  expect(await run("topic elect-leaders --election-type unclean")).toMatchObject({ code: 2 });
  expect(await run("topic elect-leaders uneven --partition 7")).toMatchObject({ code: 2, stderr: expect.stringContaining("4 partitions") });
});

const replicasOf = async (topic: string): Promise<number[][]> => {
  const [{ partitions }] = await json(`topic describe ${topic}`);
  return partitions.map(({ replicas }: { replicas: number[] }) => replicas);
};

test("a plan is carried out: copies are where it says, preferred leaders lead, and nothing is left to do", async () => {
  const plan = await json("cluster rebalance --dry-run");
  const done = await json("cluster rebalance");
  expect(done).toEqual({ ...plan, dryRun: false });
  const replicas = await replicasOf("uneven");
  for (const { partition, to } of plan.moves) expect(replicas[partition]).toEqual(to);
  await waitUntil("preferred leaders", async () => {
    const [{ partitions }] = await json("topic describe uneven");
    return partitions.every(({ leader, replicas }: { leader: number; replicas: number[] }) => leader === replicas[0]);
  });
  expect(await text("cluster rebalance")).toBe("everything is balanced: nothing is to be moved\n");
  await cluster.replicasIdentical("uneven");
});

test("a topic gets more copies, and fewer", async () => {
  expect(await text("topic alter uneven --replication-factor 3")).toBe("uneven has 3 copies of each partition, and had 2\n");
  for (const replicas of await replicasOf("uneven")) expect(new Set(replicas).size).toBe(3);
  expect(await json("topic alter uneven --replication-factor 2")).toEqual({ name: "uneven", replicationFactor: 2, was: 3, bytes: 0 });
  for (const replicas of await replicasOf("uneven")) expect(replicas).toHaveLength(2);
  await cluster.replicasIdentical("uneven");
});

test("a drain that is refused leaves nothing behind: the next one would empty that broker, too", async () => {
  await text("topic create wide --replica-assignment 1:2:3:4");
  const refused = {
    code: 1,
    stderr: expect.stringMatching(/wide has more copies, .*`ottla topic alter wide --replication-factor 3` first/),
  };
  expect(await run("cluster drain 3")).toMatchObject(refused);
  expect(await text("cluster describe --configs")).not.toMatch(/excluded\.brokers +\d/);
  await text("topic delete wide");
});

test("a broker is drained, and can be stopped for good", async () => {
  expect(await text("cluster drain 4")).toMatch(/broker 4 has no copies any more: it can be stopped for good\n$/);
  expect((await replicasOf("uneven")).flat()).not.toContain(4);
  expect(await text("cluster drain 4")).toMatch(/^broker 4 has no copies that could be moved\n/);
  await cluster.replicasIdentical("uneven");
});

test("moves go on without the command, which goes on with them when it is run again; from elsewhere they can be watched and cancelled", async () => {
  await using admin = new Admin({ bootstrap: cluster.bootstrap });
  const underWay = async () => (await admin.listPartitionReassignments()).length;
  const start = (args: string) => new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join(",")]);
  await text(`topic create many --replica-assignment ${Array.from({ length: 250 }, () => "1:3").join(",")}`);
  await text("produce many", lines(600));

  const first = start("cluster rebalance");
  await waitUntil("moves", async () => (await underWay()) > 0);
  first.signal("SIGINT");
  expect(await first.result).toMatchObject({ code: 1, stderr: expect.stringContaining("what has begun goes on") });
  expect(await underWay()).toBeGreaterThan(0);

  // at once: the moves do not wait for commands to start
  const again = start("cluster rebalance");
  const watching = start("cluster rebalance --watch --json");
  await waitUntil("a look at them", () => watching.printed.includes("\n"));
  watching.signal("SIGINT");
  expect((await watching.result).code).toBe(0);
  const [look = ""] = watching.printed.split("\n");
  expect(JSON.parse(look)).toMatchObject({ moves: expect.arrayContaining([expect.objectContaining({ topic: "many" })]) });

  expect(await again.result).toMatchObject({ code: 0, stderr: expect.stringContaining("under way already: going on with them") });
  expect(await underWay()).toBe(0);
  expect(await text("cluster rebalance")).toBe("everything is balanced: nothing is to be moved\n");

  const before = await replicasOf("many");
  const draining = start("cluster drain 2");
  await waitUntil("more moves", async () => (await underWay()) > 5);
  expect(await text("cluster rebalance --cancel")).toMatch(/^cancelled \d+ moves: these partitions stay where they were$/m);
  await waitUntil("nothing under way", async () => (await underWay()) === 0);
  expect(await draining.result).toMatchObject({
    code: 1,
    stdout: expect.not.stringContaining("moved"),
    stderr: expect.stringMatching(/not where planned: the moves were cancelled/),
  });
  expect(await text("cluster describe --configs"), "it is not being drained any more").not.toMatch(/excluded\.brokers +\d/);
  const unmoved = (await replicasOf("many")).filter((replicas, at) => String(replicas.toSorted()) === String(before[at]!.toSorted()));
  expect(unmoved.filter((replicas) => replicas.includes(2)).length).toBeGreaterThan(0);
  await cluster.replicasIdentical("many");
});
