import { expect, test } from "vitest";
import { ConfigError, readConfig } from "../../../broker/runtime/config/read-config.ts";

function groups(...overrides: string[]) {
  const fileText = "broker.id=1\nzookeeper.connect=127.0.0.1:2181\nlog.dirs=/data\nlisteners=PLAINTEXT://127.0.0.1:9092\n";
  return readConfig({ fileText, environment: {}, overrides, hostname: "machine" }).settings.consumerGroups;
}

test("consumer groups are on, with Kafka's timeouts and both assignors", () => {
  expect(groups()).toMatchObject({
    enabled: true,
    sessionTimeoutMs: 45_000,
    heartbeatIntervalMs: 5_000,
    membersMax: 2 ** 31 - 1,
    assignors: ["uniform", "range"],
  });
});

test("consumer groups can be turned off, and assignors may go by Kafka's class names", () => {
  expect(groups("group.coordinator.rebalance.protocols=classic").enabled).toBe(false);
  const range = "org.apache.kafka.coordinator.group.assignor.RangeAssignor";
  expect(groups(`group.consumer.assignors=${range},range,uniform`).assignors).toEqual(["range", "uniform"]);
  expect(() => groups("group.consumer.assignors=sticky")).toThrow(ConfigError);
});

test("a timeout outside its bounds keeps the broker from starting, and the message says which", () => {
  expect(() => groups("group.consumer.session.timeout.ms=6000")).toThrow(/group.consumer.session.timeout.ms is 6000.*min/);
  expect(groups("group.consumer.session.timeout.ms=6000", "group.consumer.min.session.timeout.ms=6000").sessionTimeoutMs).toBe(6_000);
  expect(() => groups("group.consumer.heartbeat.interval.ms=20000")).toThrow(/max.heartbeat/);
  const slow = ["group.consumer.heartbeat.interval.ms=50000", "group.consumer.max.heartbeat.interval.ms=60000"];
  expect(() => groups(...slow)).toThrow(/must be below group.consumer.session.timeout.ms/);
});
