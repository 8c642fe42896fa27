import { randomBytes } from "node:crypto";
import { kafka4, kafka39 } from "../../support/outside/kafka-packages.ts";
import { classPath, prepared } from "../../support/outside/prepared.ts";
import { hasCommand } from "../../support/outside/run-command.ts";
import { TestZookeeper } from "../../support/zookeeper.ts";
import { GuardedProcess } from "../processes/guarded-process.ts";
import { writeSettings } from "./kafka-broker-process.ts";
import { controllerAddress, KafkaCluster, type KafkaCoordination, type KafkaSeat, plaintext } from "./kafka-cluster.ts";
import { commonSettings, type System, sessionTimeoutMs } from "./system.ts";

/** Brokers, tools, and what they need, on the machine; the reason when they cannot be had. Asked for once. */
export type KafkaJars = () => Promise<
  { readonly path: string; readonly missing: null } | { readonly path: null; readonly missing: string }
>;

export const jarsOf39 = jars(kafka39);
const jarsOf4 = jars(kafka4);

function jars(packages: readonly string[]): KafkaJars {
  let asked: ReturnType<KafkaJars> | null = null;
  const ask = async () => {
    const { program, missing } = await prepared(hasCommand("java") ? null : "Java is not installed", () => classPath(packages));
    return missing === null ? { path: program, missing } : { path: null, missing };
  };
  return () => {
    asked ??= ask();
    return asked;
  };
}

interface KafkaKind {
  readonly name: string;
  readonly version: string;
  readonly heapMib: number;
  readonly jars: KafkaJars;
  readonly coordination: "ZooKeeper" | "KRaft";
}

export const kafkas: readonly System[] = [
  kafka({ name: "kafka-3.9", version: "3.9.1", heapMib: 1024, jars: jarsOf39, coordination: "ZooKeeper" }),
  kafka({ name: "kafka-4", version: "4.4.0", heapMib: 1024, jars: jarsOf4, coordination: "KRaft" }),
  kafka({ name: "kafka-3.9-small", version: "3.9.1", heapMib: 256, jars: jarsOf39, coordination: "ZooKeeper" }),
  kafka({ name: "kafka-4-small", version: "4.4.0", heapMib: 256, jars: jarsOf4, coordination: "KRaft" }),
];

function kafka({ name, version, heapMib, jars, coordination }: KafkaKind): System {
  return {
    name,
    title: `Apache Kafka ${version}, ${coordination === "KRaft" ? "KRaft (brokers are controllers too)" : "on ZooKeeper 3.8"}, heap ${heapMib} MiB`,
    speaks: "kafka",
    missing: async () => (await jars()).missing,
    start: async (shape, signal) => {
      const { path, missing } = await jars();
      if (path === null) throw new Error(`Apache Kafka ${version} ${missing}`);
      const options = { shape, classPath: path, heapMib, settings: commonSettings(shape), signal };
      const sessionMs = shape.isSessionAsShipped === true ? null : sessionTimeoutMs;
      return KafkaCluster.start(options, () => (coordination === "KRaft" ? kraft(path, sessionMs) : zookeeper(sessionMs)));
    },
  };
}

/** `sessionMs` null: as Kafka ships it. */
async function zookeeper(sessionMs: number | null): Promise<KafkaCoordination> {
  const server = await TestZookeeper.start();
  return {
    processes: [{ name: "ZooKeeper", pid: server.pid, role: "coordinator" }],
    settings: (seat) => ({
      "broker.id": seat.id,
      listeners: plaintext(seat),
      "zookeeper.connect": `${server.connectionString}/test`,
      ...(sessionMs === null ? {} : { "zookeeper.session.timeout.ms": sessionMs }),
    }),
    prepare: async () => {},
    stop: () => server.stop(),
  };
}

/** The brokers elect a controller among themselves. */
async function kraft(path: string, sessionMs: number | null): Promise<KafkaCoordination> {
  let voters = "";
  const coordination: KafkaCoordination = {
    processes: [],
    settings: (seat) => ({
      "node.id": seat.id,
      "process.roles": "broker,controller",
      listeners: `${plaintext(seat)},CONTROLLER://${controllerAddress(seat)}`,
      "advertised.listeners": plaintext(seat),
      "controller.listener.names": "CONTROLLER",
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
      "controller.quorum.voters": voters,
      ...(sessionMs === null ? {} : { "broker.session.timeout.ms": sessionMs, "broker.heartbeat.interval.ms": sessionMs / 4 }),
    }),
    prepare: async (seats, settings) => {
      voters = seats.map((seat) => `${seat.id}@${controllerAddress(seat)}`).join(",");
      const clusterId = randomBytes(16).toString("base64url");
      await Promise.all(seats.map((seat) => format(path, clusterId, seat, settings(seat))));
    },
    stop: async () => {},
  };
  return coordination;
}

/** A KRaft broker starts on a formatted disk only. */
async function format(
  path: string,
  clusterId: string,
  seat: KafkaSeat,
  settings: Readonly<Record<string, string | number>>,
): Promise<void> {
  const file = await writeSettings({ id: seat.id, folder: seat.folder, classPath: path, heapMib: 0, settings });
  const args = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", path, "kafka.tools.StorageTool", "format", "-t", clusterId, "-c", file];
  await new GuardedProcess("java", args).succeeded();
}
