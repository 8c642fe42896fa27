import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { becomesBalanced, becomesInSync, partitionsOf } from "../support/calm.ts";
import { freePorts } from "../support/free-ports.ts";
import { waitUntil } from "../support/wait-until.ts";
import { ComposeCluster, dockerCompose, linksSkippedBecause, root, skippedBecause } from "./compose-cluster.ts";

const file = "deploy/docker-compose.chaos.yml";
const topic = "orders";
/** Sessions last 18 s: what takes less is suspicion's work. */
const movedMaxMs = 10_000;

test.skipIf(skippedBecause !== null)(`compose understands ${file}`, async () => {
  const { exitCode, stdout, stderr } = await dockerCompose(["--file", file, "config", "--services"]);
  expect(exitCode, stderr).toBe(0);
  expect(stdout.toString()).toMatch(/^links$/m);
});

describe.skipIf(linksSkippedBecause !== null)(`${file}${linksSkippedBecause === null ? "" : ` (skipped: ${linksSkippedBecause})`}`, () => {
  let cluster: ComposeCluster;
  let admin: Admin;
  let producer: Producer<string, string>;
  let api: string;

  beforeAll(async () => {
    const [port] = await freePorts(1);
    api = `http://127.0.0.1:${port}`;
    cluster = await ComposeCluster.start({ file, project: `ottla-links-${process.pid}`, variables: { OTTLA_LINKS_PORT: String(port) } });
    const { bootstrap } = cluster;
    admin = new Admin({ bootstrap });
    producer = new Producer({ bootstrap, keySerde: stringSerde, valueSerde: stringSerde });
    orThrow(await admin.createTopics([{ name: topic, partitions: 6, replicationFactor: 3 }]));
  });

  afterAll(async () => {
    await producer?.close();
    await admin?.close();
    await cluster?.stop();
  });

  /** What the command prints. */
  async function links(...words: string[]): Promise<string> {
    const env = { ...process.env, OTTLA_LINKS: api };
    return (await promisify(execFile)(process.execPath, ["deploy/links.mjs", ...words], { cwd: root, env })).stdout;
  }

  const partitions = () => partitionsOf(admin, topic);

  const writeEverywhere = () =>
    Promise.all([0, 1, 2, 3, 4, 5].map((partition) => producer.send({ topic, partition, value: `to ${partition}` })));

  test.each(["cut", "silence"])("%s between a broker and its peers: others lead; healed, all are in sync", async (fault) => {
    await becomesInSync(admin, topic);
    const victim = (await partitions())[0]?.leader ?? 0;
    const printed = await links(fault, `broker${victim}`, "brokers");
    const beganMs = performance.now();
    expect(printed.trim().split("\n")).toHaveLength(4);
    await waitUntil("others to lead", async () => (await partitions()).every(({ leader }) => leader !== victim && leader > 0), {
      timeoutMs: movedMaxMs,
    });
    await writeEverywhere();
    const servedMs = performance.now() - beganMs;
    console.log(`${fault} broker${victim} brokers: others lead, and have written, after ${servedMs.toFixed(0)} ms`);
    expect(servedMs).toBeLessThan(movedMaxMs);
    expect(await links("heal")).not.toMatch(/cut|silent/);
    await becomesInSync(admin, topic);
  });

  test("every link between brokers is slow: so is an acknowledgement, and nobody is suspected", async () => {
    await becomesBalanced(admin, topic);
    await writeEverywhere();
    const leaders = (await partitions()).map(({ leader, leaderEpoch }) => `${leader} ${leaderEpoch}`);
    await links("delay", "100", "brokers", "brokers");
    const beganMs = performance.now();
    for (let i = 0; i < 5; i++) await writeEverywhere();
    // the answer to a fetch, and the next fetch, which says that the record has arrived
    expect((performance.now() - beganMs) / 5).toBeGreaterThan(200);
    expect((await partitions()).map(({ leader, leaderEpoch }) => `${leader} ${leaderEpoch}`)).toEqual(leaders);
    await links("heal");
  });

  test("a client container in the network of the links reaches the brokers where those on the host do", async () => {
    const { exitCode, stdout, stderr } = await cluster.compose("run", "--rm", "client", "topic", "list", "--bootstrap", "127.0.0.1:19092");
    expect(exitCode, `${stdout}${stderr}`).toBe(0);
    expect(stdout.toString()).toContain(topic);
  });
});
