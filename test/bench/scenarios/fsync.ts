import type { Outcome } from "../outcome.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { produce } from "./produce.ts";
import { atRate } from "./rates.ts";
import { withTopic } from "./topics.ts";

const shape = { partitions: 6, copies: 3, settings: { "flush.messages": "1" } };

/** A replica fsyncs a record before it counts. */
export const fsyncScenarios: readonly Scenario[] = [
  {
    name: "fsync/full",
    what: "flush.messages=1: fsync before each acknowledgement, values of 1 KiB at full speed, acks=all, 3 copies",
    cluster: { brokers: 3 },
    speaks: ["kafka"],
    extent: "standard",
    run: (stage) => produce(stage, shape, { recordBytes: 1024, acks: "all", codec: "none", tuning: "tuned" }),
  },
  {
    name: "fsync/200",
    what: "flush.messages=1: fsync before each acknowledgement, 200 values of 1 KiB per second, acks=all, 3 copies",
    cluster: { brokers: 3 },
    speaks: ["kafka"],
    extent: "standard",
    run: (stage: Stage): Promise<Outcome> => withTopic(stage, shape, (topic) => atRate(stage, topic, { rate: 200, consumes: false })),
  },
];
