import { expect, test } from "vitest";
import { PendingTopics, type TopicMaker } from "../../../broker/api/topic-maker.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { settled } from "../network/manual-clock.ts";

const topic = { numPartitions: 1, replicationFactor: 3, assignments: [], configs: [] } as const;

/** Topics that clients ask for; each line of the log. */
function setUp() {
  const lines: string[] = [];
  const tell = (fields: object, message: string) => void lines.push(`${message} ${(fields as { topic: string }).topic}`);
  const refusal = { error: "INVALID_REPLICATION_FACTOR", message: "3 copies need 3 live brokers" } as const;
  const state = { isRefused: true };
  const maker: TopicMaker = {
    make: async (topics) => topics.map(() => (state.isRefused ? refusal : { error: "NONE", message: null })),
  };
  const pending = new PendingTopics(maker, { ...silentLogger, warn: tell, info: tell }, { made: "made", notMade: "not made" }, 100);
  const ask = async (name: string, times: number) => {
    for (let i = 0; i < times; i++) {
      pending.begin({ ...topic, name });
      await settled();
    }
  };
  return { lines, state, ask };
}

test("a topic that cannot be made is told ever more rarely, however often clients ask for it; and anew once it was made", async () => {
  const { lines, state, ask } = setUp();
  await ask("a", 1_000);
  await ask("b", 1);
  expect(lines).toEqual([...Array(10).fill("not made a"), "not made b"]);
  state.isRefused = false;
  await ask("a", 1);
  state.isRefused = true;
  await ask("a", 1);
  expect(lines.slice(11)).toEqual(["made a", "not made a"]);
});

test("names that nobody asks for any more are forgotten", async () => {
  const { lines, ask } = setUp();
  for (let i = 0; i < 1_001; i++) await ask(`topic-${i}`, 1);
  await ask("topic-0", 1);
  await ask("topic-1000", 2);
  expect(lines.slice(1_001)).toEqual(["not made topic-0", "not made topic-1000"]);
});
