import { expect, test } from "vitest";
import { brokerProperties } from "../../../cli/up/broker-properties.ts";

const broker = {
  ...{ id: 2, port: 9093, host: "127.0.0.1", dataDirectory: "/d", metricsPort: 9405, zookeeperConnect: "127.0.0.1:2181", clusterSize: 3 },
  rack: null,
};

test("a broker that stands in a rack sends consumers to theirs; one that does not is as before", () => {
  const racked = brokerProperties({ ...broker, rack: "b" }).split("\n");
  expect(racked).toContain("broker.rack=b");
  expect(racked).toContain("replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector");
  expect(brokerProperties(broker)).not.toMatch(/rack|selector/);
});
