import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { DockerComposeEnvironment, type StartedDockerComposeEnvironment, Wait } from "testcontainers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Admin, Consumer, orThrow, Producer, stringSerde } from "../../client/index.ts";
import { freePorts } from "../support/free-ports.ts";
import { waitUntil } from "../support/wait-until.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const skippedBecause = process.env.OTTLA_CONTAINERS_SKIPPED_BECAUSE || null;
const brokers = ["broker1", "broker2", "broker3"] as const;
const startMaxMs = 600_000;
const project = `ottla-test-${process.pid}`;

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

const hasPlugin = succeeds("docker", ["compose", "version"]);

/** Runs docker in the foreground; its output is the test's. */
function docker(...args: string[]): string {
  const result = spawnSync("docker", args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`docker ${args.join(" ")}: ${result.stderr}`);
  return result.stdout.trim();
}

describe.skipIf(skippedBecause !== null)(`docker-compose.yml${skippedBecause === null ? "" : ` (skipped: ${skippedBecause})`}`, () => {
  let environment: StartedDockerComposeEnvironment;
  let bootstrap: string[];
  let variables: Record<string, string>;
  let admin: Admin;

  beforeAll(async () => {
    const ports = await freePorts(3);
    bootstrap = ports.map((port) => `127.0.0.1:${port}`);
    variables = Object.fromEntries(ports.map((port, index) => [`OTTLA_PORT_${index + 1}`, String(port)]));
    const compose = new DockerComposeEnvironment(root, "docker-compose.yml")
      .withProjectName(project)
      .withBuild()
      .withEnvironment(variables)
      .withStartupTimeout(startMaxMs)
      .withDefaultWaitStrategy(Wait.forHealthCheck());
    // Debian's docker-compose where the compose plugin is missing
    if (!hasPlugin) compose.withClientOptions({ executable: { standalone: true, executablePath: "docker-compose" } });
    environment = await compose.up();
    admin = new Admin({ bootstrap });
  });

  afterAll(async () => {
    await admin?.close();
    await environment?.down({ removeVolumes: true, timeout: 10_000 });
  });

  /** By label: the compose plugin and Debian's docker-compose name containers differently. Stopped ones too. */
  const containerId = (service: string): string =>
    docker(
      "ps",
      "--all",
      "--quiet",
      "--filter",
      `label=com.docker.compose.project=${project}`,
      "--filter",
      `label=com.docker.compose.service=${service}`,
    );

  test("runs three healthy brokers as an ordinary user, reachable from the host", async () => {
    const described = await admin.describeCluster();
    expect(described.brokers.map(({ id, host, port }) => `${id} ${host}:${port}`).sort()).toEqual(
      bootstrap.map((address, index) => `${index + 1} ${address}`),
    );
    for (const service of brokers) {
      expect(docker("inspect", "--format", "{{.State.Health.Status}}", containerId(service))).toBe("healthy");
      expect(docker("exec", containerId(service), "id", "-un")).toBe("node");
    }
  });

  test("serves the containers' own network under its own addresses", () => {
    const text = docker("exec", containerId("broker1"), "ottla", "cluster", "describe", "--bootstrap", "broker2:9092", "--json");
    for (const service of brokers) expect(text).toContain(service);
  });

  test("measures the brokers from a container of its own", () => {
    const load = ["--scenario", "produce/1KiB/acks-all/3-copies/none", "--quick", "--seconds", "2"];
    const args = ["--project-name", project, "--profile", "load", "run", "--rm", "load", ...load];
    const [command, ...words] = hasPlugin ? ["docker", "compose", ...args] : ["docker-compose", ...args];
    const { status, stdout, stderr } = spawnSync(command, words, { cwd: root, encoding: "utf8", env: { ...process.env, ...variables } });
    expect(status, `${stdout}${stderr}`).toBe(0);
    expect(stdout).toMatch(/produced, records\/s \(higher is better\) +[\d,]+/);
    expect(stdout).toMatch(/bench-results\/\S+\.html and \.json/);
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
    const sending = send(1000, 3000);
    docker("kill", "--signal", "KILL", containerId(victim));
    await sending;
    docker("start", containerId(victim));
    await waitUntil(
      "the in-sync sets to be whole",
      async () => {
        const [now] = orThrow(await admin.describeTopics([topic]));
        return now?.partitions.every(({ isr }) => isr.length === 3);
      },
      { timeoutMs: 60_000 },
    );
    await producer.close();
    await using consumer = new Consumer({ bootstrap, valueSerde: stringSerde, stopAtEnd: true });
    await consumer.assign([{ topic, from: "beginning" }]);
    const found = new Map<string, string | null>();
    for await (const { partition, offset, value } of consumer) found.set(`${partition}@${offset}`, value);
    expect(acknowledged.size).toBe(3000);
    for (const [where, value] of acknowledged) expect(found.get(where)).toBe(value);
  });

  test("a broker's container stops cleanly on SIGTERM", async () => {
    const id = containerId("broker2");
    docker("stop", "--time", "25", id);
    expect(docker("inspect", "--format", "{{.State.ExitCode}}", id)).toBe("0");
    docker("start", id);
    await waitUntil("it to be healthy again", () => docker("inspect", "--format", "{{.State.Health.Status}}", id) === "healthy", {
      timeoutMs: 60_000,
    });
  });
});
