import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatLimit, parseRate } from "../../../cli/rebalance/rate.ts";
import { limiting, listing, type OwnSettings, throttleMark, unlimiting, unlisting } from "../../../cli/rebalance/throttle-marks.ts";
import type { ConfigChange } from "../../../client/index.ts";

const [leaders, followers] = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];
const [leaderRate, followerRate] = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];

const items = (text = "") => text.split(",").filter((item) => item !== "");

/** As brokers do it. */
function altered(own: OwnSettings, changes: readonly ConfigChange[] | null): Map<string, string> {
  if (changes === null) throw new Error("refused");
  const result = new Map(own);
  for (const change of changes) {
    const now = items(result.get(change.name));
    if (change.operation === "delete") result.delete(change.name);
    else if (change.operation === "set") result.set(change.name, change.value);
    else {
      const given = items(change.value);
      const left = change.operation === "append" ? [...new Set([...now, ...given])] : now.filter((item) => !given.includes(item));
      result.set(change.name, left.join());
    }
    if (change.name === leaders || change.name === followers) expect(items(result.get(change.name))).not.toEqual(["*", "1:1"]);
  }
  return result;
}

const own = (settings: Record<string, string> = {}): OwnSettings => new Map(Object.entries(settings));
const moved = { partition: 0, from: [1, 2], to: [3] };

describe("a topic", () => {
  test("lists the old replicas as leaders, the new ones as followers, and nothing of it afterwards", () => {
    const throttled = altered(own(), listing([moved, { partition: 1, from: [2], to: [4] }], own()));
    expect(Object.fromEntries(throttled)).toEqual({
      [leaders]: "0:1,0:2,1:2",
      [followers]: "0:3,1:4",
      [throttleMark]: "leader:0:1,leader:0:2,leader:1:2,follower:0:3,follower:1:4",
    });
    expect(listing([moved], throttled), "done again").toEqual([]);
    expect(altered(throttled, unlisting(throttled))).toEqual(own());
  });

  test("keeps what somebody else has listed, before or meanwhile", () => {
    const before = own({ [leaders]: "0:2,7:7", [followers]: "*" });
    const throttled = altered(before, listing([moved], before));
    expect(throttled.get(leaders)).toBe("0:2,7:7,0:1");
    expect(throttled.get(followers)).toBe("*");
    throttled.set(leaders, `${throttled.get(leaders)},8:8`);
    expect(Object.fromEntries(altered(throttled, unlisting(throttled)))).toEqual({ [leaders]: "0:2,7:7,8:8", [followers]: "*" });
  });

  test("of very many partitions lists all of its replicas, unless it has a list of its own", () => {
    const many = Array.from({ length: 3000 }, (_, partition) => ({ partition, from: [101, 102], to: [103] }));
    const throttled = altered(own(), listing(many, own()));
    expect(Object.fromEntries(throttled)).toEqual({ [leaders]: "*", [followers]: "*", [throttleMark]: "leader:*,follower:*" });
    expect(altered(throttled, unlisting(throttled))).toEqual(own());
    expect(listing(many, own({ [leaders]: "7:7" }))).toBeNull();
    const some = altered(own(), listing([moved], own()));
    expect(altered(some, listing(many, some)).get(leaders), "what we have listed before is ours").toBe("*");
  });
});

describe("a broker", () => {
  test("gets its rates, other ones while it goes on, and the former ones back", () => {
    const before = own({ [followerRate]: "777" });
    const slow = altered(before, limiting(100, before));
    expect([slow.get(leaderRate), slow.get(followerRate)]).toEqual(["100", "100"]);
    expect(limiting(100, slow)).toEqual([]);
    const fast = altered(slow, limiting(500, slow));
    expect([fast.get(leaderRate), fast.get(followerRate)]).toEqual(["500", "500"]);
    expect(altered(fast, unlimiting(fast))).toEqual(before);
    expect(unlimiting(before)).toEqual([]);
  });

  test("keeps what somebody else has set meanwhile, or taken away", () => {
    const throttled = altered(own(), limiting(100, own()));
    const changed = new Map(throttled).set(leaderRate, "42");
    expect(Object.fromEntries(altered(changed, unlimiting(changed)))).toEqual({ [leaderRate]: "42" });
    // Kafka's tool does, with --verify
    const taken = new Map([...throttled].filter(([name]) => name === throttleMark));
    expect(altered(taken, unlimiting(taken))).toEqual(own());
    const again = altered(changed, limiting(200, changed));
    expect(Object.fromEntries(altered(again, unlimiting(again)))).toEqual({ [leaderRate]: "42" });
  });
});

test("whatever is moved, in whatever order commands come and end, what was set before is there again", () => {
  const id = fc.integer({ min: 1, max: 5 });
  const copies = fc.record({ partition: fc.integer({ min: 0, max: 4 }), from: fc.uniqueArray(id), to: fc.uniqueArray(id) });
  const elements = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 4 }), id).map(([partition, broker]) => `${partition}:${broker}`));
  const list = fc.oneof(
    fc.constant("*"),
    elements.filter((some) => some.length > 0).map((some) => some.join()),
  );
  const topic = fc.record({ [leaders]: list, [followers]: list }, { requiredKeys: [] });
  const rate = fc.integer({ min: 1, max: 9 }).map(String);
  const broker = fc.record({ [leaderRate]: rate, [followerRate]: rate }, { requiredKeys: [] });
  const rates = fc.array(fc.integer({ min: 10, max: 99 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(topic, fc.array(fc.array(copies), { minLength: 1, maxLength: 5 }), broker, rates, (ofTopic, moves, ofBroker, limits) => {
      const [topicBefore, brokerBefore] = [own(ofTopic as Record<string, string>), own(ofBroker as Record<string, string>)];
      let [topicNow, brokerNow] = [topicBefore, brokerBefore];
      for (const some of moves) topicNow = altered(topicNow, listing(some, topicNow));
      for (const limit of limits) brokerNow = altered(brokerNow, limiting(limit, brokerNow));
      for (const { partition, from, to } of moves.flat()) {
        for (const [name, ids] of [[leaders, from], [followers, to]] as const) // biome-ignore format: one line
          for (const one of ids)
            expect([...items(topicNow.get(name)), "*"]).toContain(topicNow.get(name) === "*" ? "*" : `${partition}:${one}`);
      }
      expect(altered(topicNow, unlisting(topicNow))).toEqual(topicBefore);
      expect(altered(brokerNow, unlimiting(brokerNow))).toEqual(brokerBefore);
    }),
  );
});

test("a rate is shown as somebody may have given it", () => {
  expect(["20MB/s", "512KiB/s", "1.5GB", "1000000", "999", "1234567"].map((text) => formatLimit(parseRate(text)))).toEqual([
    "20 MB/s",
    "512 KiB/s",
    "1500 MB/s",
    "1 MB/s",
    "999 B/s",
    "1.23 MB/s",
  ]);
});
