import { afterAll, beforeAll, expect, test } from "vitest";
import { Producer, type RetryEvent, type SettledEvent } from "../../client/index.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { waitUntil } from "../support/wait-until.ts";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start();
});
afterAll(async () => {
  await OttlaCommand.killAll();
  await cluster?.stop();
});

function ottla(args: string, stdin = "") {
  return new OttlaCommand([...args.split(" "), "--bootstrap", cluster.bootstrap.join(",")], stdin);
}

async function succeeds(args: string, stdin?: string): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await ottla(args, stdin).result;
  expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
  return { stdout, stderr };
}

const inTime = "trying until \\d\\d:\\d\\d:\\d\\d";

test("more in-sync replicas than copies are warned of, on standard error, where a topic is made and altered", async () => {
  expect((await succeeds("topic create plain --partitions 1 --replication-factor 1")).stderr).toBe("");
  const made = await succeeds("topic create few --partitions 1 --replication-factor 2 --config min.insync.replicas=3");
  expect(made).toEqual({
    stdout: "created few: 1 partition, 2 copies each\n",
    stderr: expect.stringMatching(/^ottla: min\.insync\.replicas is 3, but few has 2 copies: it counts as 2, [^\n]+\n$/),
  });
  expect((await succeeds("topic alter few --config min.insync.replicas=2")).stderr).toBe("");
  expect((await succeeds("topic alter few --config min.insync.replicas=4")).stderr).toContain("is 4, but few has 2 copies");
});

test("too few in-sync replicas: the client tells it at once, the command after three seconds, and that it goes on", async () => {
  await succeeds("topic create orders --replica-assignment 1:2:3");
  await succeeds("produce orders", "before\n");
  await Promise.all([cluster.kill(2), cluster.kill(3)]);
  await using producer = new Producer({ bootstrap: cluster.bootstrap, deliveryTimeoutMs: 60_000 });
  const retries: RetryEvent[] = [];
  const settled: SettledEvent[] = [];
  producer.on("retry", (event) => retries.push(event));
  producer.on("settled", (event) => settled.push(event));
  const sent = producer.send({ topic: "orders", value: "from the client" });
  const reason = "orders-0 has 1 of 2 required in-sync replicas: brokers 2, 3 are missing";
  await waitUntil("the client to tell it", () => retries.some((event) => event.reason === reason));
  const command = ottla("produce orders --timeout 60", "from the command\n");
  const given = ottla("produce orders --timeout 5", "in vain\n");
  const { code, stderr } = await given.result;
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^ottla: ${reason}; ${inTime}\n`));
  expect(stderr).toContain("see `ottla topic describe` for which replicas are missing");
  await cluster.startBroker(2);
  await sent;
  expect(settled.at(-1)).toMatchObject({ what: "orders-0", outcome: "worked" });
  const finished = await command.result;
  expect(finished.code).toBe(0);
  expect(finished.stderr).toMatch(new RegExp(`^ottla: ${reason}; ${inTime}\n(ottla: [^\n]+\n)*ottla: orders-0 goes on after [\\d.]+ s\n`));
  await cluster.startBroker(3);
});

test("no leader: consumers and administrators are told who could lead", async () => {
  for (const topic of ["lonely", "alone"]) await succeeds(`topic create ${topic} --replica-assignment 3`);
  await succeeds("produce lonely", "kept\n");
  await cluster.kill(3);
  for (const topic of ["lonely", "alone"]) {
    const leader = async () => JSON.parse((await succeeds(`topic describe ${topic} --json`)).stdout)[0].partitions[0].leader;
    await waitUntil(`${topic} to have no leader`, async () => (await leader()) === -1);
  }
  const consumer = ottla("consume lonely --from beginning --max 1");
  const administrator = ottla("topic delete-records alone --all");
  const why = "has no leader: broker 3 is not there";
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  await cluster.startBroker(3);
  const [consumed, administered] = await Promise.all([consumer.result, administrator.result]);
  expect(consumed).toMatchObject({ code: 0, stderr: expect.stringMatching(`^ottla: lonely-0 ${why}; trying on\n`) });
  expect(administered).toMatchObject({ code: 0, stderr: expect.stringMatching(`^ottla: alone-0 ${why}; ${inTime}\n`) });
  expect(consumed.stderr).toContain("lonely-0 goes on after");
});

test("a new topic that needs more brokers than live: the command is told why, and goes on when they do", async () => {
  await cluster.kill(3);
  await waitUntil(
    "two brokers to be known",
    async () => JSON.parse((await succeeds("cluster describe --json")).stdout).brokers.length === 2,
  );
  const beganAtMs = performance.now();
  const given = await ottla("produce rare --timeout 4", "in vain\n").result;
  expect(given).toMatchObject({ code: 1, stderr: expect.stringContaining("topic rare: it cannot be created now") });
  expect(performance.now() - beganAtMs, "not longer than it was given").toBeLessThan(12_000);
  const command = ottla("produce fresh", "first\n");
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  await cluster.startBroker(3);
  const { code, stderr } = await command.result;
  const why = "a replication factor of 3 \\(default.replication.factor\\) needs as many live brokers; there are 2";
  expect(stderr).toMatch(
    new RegExp(
      `^ottla: topic fresh cannot be created now: ${why}; ${inTime}\n(ottla: topic fresh is being created; ${inTime}\n)?ottla: topic fresh goes on after `,
    ),
  );
  expect(code).toBe(0);
  const told = (await Promise.all(cluster.ids.map((id) => cluster.logTail(id))))
    .join("\n")
    .match(/first mention.*fresh|fresh.*first mention/g);
  expect(told?.length, "not once a second").toBeLessThan(12);
});
