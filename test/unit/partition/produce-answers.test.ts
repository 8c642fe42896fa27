import { expect, test } from "vitest";
import { replicaShortage } from "../../../broker/partition/produce-answers.ts";

test("a producer is told how many replicas are in sync, how many have to be, and who is missing", () => {
  const replicas = [3, 1, 2];
  expect(replicaShortage({ isr: new Set([1, 3]), replicas }, { minInsyncReplicas: 2 })).toBe(null);
  expect(replicaShortage({ isr: new Set([1]), replicas }, { minInsyncReplicas: 2 })).toBe(
    "it has 1 of 2 required in-sync replicas: brokers 2, 3 are missing",
  );
  expect(replicaShortage({ isr: new Set([1, 2]), replicas }, { minInsyncReplicas: 4 }), "no more than there are").toBe(
    "it has 2 of 3 required in-sync replicas: broker 3 is missing",
  );
});
