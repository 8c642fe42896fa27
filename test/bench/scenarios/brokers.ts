import type { Scenario } from "../scenario.ts";
import { produce } from "./produce.ts";

/** All of them on one machine: what more brokers cost, not what they bring. */
export const brokerScenarios: readonly Scenario[] = [1, 2, 3, 4, 5].map((brokers) => {
  const copies = Math.min(3, brokers);
  return {
    name: `brokers/${brokers}`,
    what: `${brokers} brokers, ${copies === 1 ? "1 copy" : `${copies} copies`}, values of 1 KiB at full speed, acks=all`,
    cluster: { brokers },
    speaks: ["kafka"],
    extent: "full",
    needsOwnCluster: true,
    curve: { name: "brokers", xLabel: "brokers", x: brokers },
    run: (stage) => produce(stage, { partitions: 6, copies }, { recordBytes: 1024, acks: "all", codec: "none", tuning: "tuned" }),
  };
});
