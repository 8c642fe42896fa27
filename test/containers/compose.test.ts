import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { becomesInSync } from "../support/calm.ts";
import { storedValues } from "../support/stored-values.ts";
import { waitUntil } from "../support/wait-until.ts";
import { ComposeCluster, docker, skippedBecause } from "./compose-cluster.ts";

const brokers = ["broker1", "broker2", "broker3"] as const;

describe.skipIf(skippedBecause !== null)(`docker-compose.yml${skippedBecause === null ? "" : ` (skipped: ${skippedBecause})`}`, () => {
  let cluster: ComposeCluster;
  let bootstrap: readonly string[];
  let admin: Admin;

  beforeAll(async () => {
    cluster = await ComposeCluster.start({ file: "docker-compose.yml", project: `ottla-test-${process.pid}` });
    bootstrap = cluster.bootstrap;
    admin = new Admin({ bootstrap });
  });

  afterAll(async () => {
    await admin?.close();
    await cluster?.stop();
  });

  const health = async (service: string) => docker("inspect", "--format", "{{.State.Health.Status}}", await cluster.containerId(service));

  test("runs three healthy brokers as an ordinary user, reachable from the host", async () => {
    const described = await admin.describeCluster();
    expect(described.brokers.map(({ id, host, port }) => `${id} ${host}:${port}`).sort()).toEqual(
      bootstrap.map((address, index) => `${index + 1} ${address}`),
    );
    for (const service of brokers) {
      expect(await health(service)).toBe("healthy");
      expect(await docker("exec", await cluster.containerId(service), "id", "-un")).toBe("node");
    }
  });

  test("serves the containers' own network under its own addresses", async () => {
    const id = await cluster.containerId("broker1");
    const text = await docker("exec", id, "ottla", "cluster", "describe", "--bootstrap", "broker2:9092", "--json");
    for (const service of brokers) expect(text).toContain(service);
  });

  test("measures the brokers from a container of its own", async () => {
    const load = ["--scenario", "produce/1KiB/acks-all/3-copies/none", "--quick", "--seconds", "2"];
    const { exitCode, stdout, stderr } = await cluster.compose("--profile", "load", "run", "--rm", "load", ...load);
    const printed = stdout.toString();
    expect(exitCode, `${printed}${stderr}`).toBe(0);
    expect(printed).toMatch(/produced, records\/s \(higher is better\) +[\d,]+/);
    expect(printed).toMatch(/bench-results\/\S+\.html and \.json/);
  });

  test("loses nothing when a broker's container is killed", async () => {
    const topic = "survivors";
    orThrow(await admin.createTopics([{ name: topic, partitions: 6, replicationFactor: 3 }]));
    const producer = new Producer({ bootstrap, keySerde: stringSerde, valueSerde: stringSerde });
    const acknowledged = new Map<string, string>();
    const send = async (from: number, to: number) => {
      for (let i = from; i < to; i += 50) {
        const batch = Array.from({ length: Math.min(50, to - i) }, (_, j) => ({ topic, key: `k${(i + j) % 97}`, value: `v${i + j}` }));
        const results = await producer.sendMany(batch);
        for (const [j, { partition, offset }] of results.entries()) acknowledged.set(`${partition}@${offset}`, batch[j]?.value ?? "");
      }
    };
    await send(0, 1000);
    const [described] = orThrow(await admin.describeTopics([topic]));
    const victim = `broker${described?.partitions[0]?.leader}`;
    const id = await cluster.containerId(victim);
    const sending = send(1000, 3000);
    await docker("kill", "--signal", "KILL", id);
    await sending;
    await docker("start", id);
    await becomesInSync(admin, topic);
    await producer.close();
    const found = await storedValues(bootstrap, topic);
    expect(acknowledged.size).toBe(3000);
    for (const [where, value] of acknowledged) expect(found.get(where)).toBe(value);
  });

  test("a broker's container stops cleanly on SIGTERM", async () => {
    const id = await cluster.containerId("broker2");
    await docker("stop", "--time", "25", id);
    expect(await docker("inspect", "--format", "{{.State.ExitCode}}", id)).toBe("0");
    await docker("start", id);
    await waitUntil("it to be healthy again", async () => (await health("broker2")) === "healthy", { timeoutMs: 60_000 });
  });
});
