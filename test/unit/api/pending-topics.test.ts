import { expect, test } from "vitest";
import { PendingTopics, type TopicMaker } from "../../../broker/api/topic-maker.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { settled } from "../network/manual-clock.ts";
import { broker, Images, image, ManualClock } from "./fixtures.ts";

const topic = { numPartitions: 1, replicationFactor: 3, assignments: [], configs: [] } as const;

const tooFew = { error: "INVALID_REPLICATION_FACTOR", message: "3 copies need 3 live brokers" } as const;
const tooLate = { error: "REQUEST_TIMED_OUT", message: "no controller" } as const;

/** Topics that clients ask for; each line of the log. */
function setUp() {
  const lines: string[] = [];
  const tell = (fields: object, message: string) => void lines.push(`${message} ${(fields as { topic: string }).topic}`);
  const state: { refusal: typeof tooFew | typeof tooLate | null } = { refusal: tooFew };
  const maker: TopicMaker = {
    make: async (topics) => topics.map(() => state.refusal ?? { error: "NONE", message: null }),
  };
  const clock = new ManualClock();
  const images = new Images(image([]));
  const words = { made: "made", notMade: "not made" };
  const pending = new PendingTopics({ maker, log: { ...silentLogger, warn: tell, info: tell }, clock, images, words, max: 100 });
  const ask = async (name: string, times: number) => {
    const answers = [];
    for (let i = 0; i < times; i++) {
      answers.push(pending.begin({ ...topic, name }));
      await settled();
    }
    return answers;
  };
  return { lines, state, ask, clock, images };
}

test("a topic that cannot be made is told ever more rarely, however often clients ask for it; and anew once it was made", async () => {
  const { lines, state, ask } = setUp();
  await ask("a", 1_000);
  await ask("b", 1);
  expect(lines).toEqual([...Array(10).fill("not made a"), "not made b"]);
  state.refusal = null;
  await ask("a", 1);
  state.refusal = tooFew;
  await ask("a", 1);
  expect(lines.slice(11)).toEqual(["made a", "not made a"]);
});

test("who asks again is told why it could not be made, while that is new; another attempt is made each time", async () => {
  const { lines, state, ask, clock } = setUp();
  expect(await ask("a", 3)).toEqual(["begun", tooFew, tooFew]);
  expect(await ask("b", 1)).toEqual(["begun"]);
  await clock.advance(10_001);
  expect(await ask("a", 1), "much may have changed").toEqual(["begun"]);
  state.refusal = null;
  expect(await ask("a", 2), "its last attempt failed, and this one does not").toEqual([tooFew, "begun"]);
  expect(lines.at(-1)).toBe("made a");
});

test("a refusal is void as soon as there are other brokers", async () => {
  const { ask, images } = setUp();
  expect(await ask("a", 2)).toEqual(["begun", tooFew]);
  images.current = image([], { brokers: new Map([1, 2, 3].map((id) => [id, broker(id)])) });
  expect(await ask("a", 2)).toEqual(["begun", tooFew]);
});

test("that no controller could be asked is no reason: it is asked again", async () => {
  const { state, ask } = setUp();
  state.refusal = tooLate;
  expect(await ask("a", 3)).toEqual(["begun", "begun", "begun"]);
});

test("names that nobody asks for any more are forgotten", async () => {
  const { lines, ask } = setUp();
  for (let i = 0; i < 1_001; i++) await ask(`topic-${i}`, 1);
  await ask("topic-0", 1);
  await ask("topic-1000", 2);
  expect(lines.slice(1_001)).toEqual(["not made topic-0", "not made topic-1000"]);
});
