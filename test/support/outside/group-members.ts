import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Consumer as PlatformaticConsumer } from "@platformatic/kafka";
import { type AssignorName, Consumer, stringSerde } from "../../../client/index.ts";
import type { HandedOutRecords } from "../group/handed-out.ts";
import { kafkajsFor } from "./kafkajs-client.ts";

export interface MembershipOrder {
  readonly bootstrap: readonly string[];
  readonly group: string;
  readonly topic: string;
  /** Its own name, which its records carry. */
  readonly name: string;
  readonly records: HandedOutRecords;
}

/** A member of a group that reads from the beginning, or from where the group stopped, and commits by itself. */
export interface RunningMember {
  readonly name: string;
  /** Commits what it handled and leaves the group. */
  stop(): Promise<void>;
}

export type StartMember = (order: MembershipOrder) => Promise<RunningMember>;

const sessionTimeoutMs = 10_000;
const heartbeatIntervalMs = 300;

export function ottlaMember(
  options: { readonly assignors?: readonly AssignorName[]; readonly groupProtocol?: "classic" | "consumer" } = {},
): StartMember {
  return async ({ bootstrap, group, topic, name, records }) => {
    const timeouts = { sessionTimeoutMs, heartbeatIntervalMs, autoCommitIntervalMs: 200 };
    const consumer = new Consumer({
      bootstrap,
      clientId: name,
      valueSerde: stringSerde,
      group,
      offsetReset: "earliest",
      ...timeouts,
      ...options,
    });
    await consumer.subscribe([topic]);
    const ended = (async () => {
      for await (const { partition, offset, value } of consumer)
        records.take({ member: name, partition, offset, value: value ?? "", atMs: Date.now() });
    })();
    return {
      name,
      stop: async () => {
        await consumer.close();
        await ended;
      },
    };
  };
}

export const kafkajsMember: StartMember = async ({ bootstrap, group, topic, name, records }) => {
  const kafka = kafkajsFor(bootstrap, name);
  const consumer = kafka.consumer({
    groupId: group,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatIntervalMs,
    maxWaitTimeInMs: 100,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommitInterval: 200,
    eachMessage: async ({ partition, message: { offset, value } }) =>
      records.take({ member: name, partition, offset: Number(offset), value: String(value), atMs: Date.now() }),
  });
  return { name, stop: () => consumer.disconnect() };
};

export const platformaticMember: StartMember = async ({ bootstrap, group, topic, name, records }) => {
  const consumer = new PlatformaticConsumer({
    clientId: name,
    groupId: group,
    bootstrapBrokers: [...bootstrap],
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatIntervalMs,
    rebalanceTimeout: sessionTimeoutMs,
  });
  const stream = await consumer.consume({
    topics: [topic],
    mode: "committed",
    fallbackMode: "earliest",
    autocommit: 100,
    maxWaitTime: 100,
  });
  const ended = (async () => {
    for await (const { partition, offset, value } of stream)
      records.take({ member: name, partition, offset: Number(offset), value: String(value), atMs: Date.now() });
  })();
  return {
    name,
    stop: async () => {
      await consumer.close(true);
      await ended;
    },
  };
};

/** kcat -G as a process. */
export function kcatMember(settings: Readonly<Record<string, string>> = {}): StartMember {
  return async ({ bootstrap, group, topic, name, records }) => {
    const all: Readonly<Record<string, string | number>> = {
      "client.id": name,
      "auto.offset.reset": "earliest",
      "session.timeout.ms": sessionTimeoutMs,
      "heartbeat.interval.ms": heartbeatIntervalMs,
      "auto.commit.interval.ms": 200,
      "fetch.wait.max.ms": 50,
      ...settings,
    };
    const properties = Object.entries(all).flatMap(([key, value]) => ["-X", `${key}=${value}`]);
    const child = spawn("kcat", [
      "-F",
      "/dev/null",
      "-b",
      bootstrap.join(","),
      ...properties,
      "-u",
      "-q",
      "-f",
      "%p %o %s\\n",
      "-G",
      group,
      topic,
    ]);
    return programMember(name, child, records);
  };
}

/** A program that prints `partition offset value`, a line for each record, and leaves its group at SIGTERM. */
export function programMember(name: string, child: ChildProcess, records: HandedOutRecords): RunningMember {
  const ended = once(child, "close");
  let complaints = "";
  child.stderr?.on("data", (chunk) => {
    complaints += String(chunk);
  });
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const [partition, offset, value = ""] = line.split(" ");
    records.take({ member: name, partition: Number(partition), offset: Number(offset), value, atMs: Date.now() });
  });
  return {
    name,
    stop: async () => {
      child.kill("SIGTERM");
      const [code, signal] = await ended;
      if (code !== 0 && signal !== "SIGTERM") throw new Error(`${name} ended with ${code ?? signal}: ${complaints}`);
    },
  };
}
