import { describe, expect, test } from "vitest";
import { image, topic, topicId } from "../api/fixtures.ts";
import { settled } from "../network/manual-clock.ts";
import { groups, offsetsId, setUp } from "./coordinator-fixture.ts";
import { Asked } from "./world.ts";

const [a = "", b = ""] = groups;

describe("the group coordinator", () => {
  test("serves the groups of the partitions that this broker leads, and of no others", async () => {
    const { assign, commit, coordinator } = await setUp();
    await assign(0, 1, 3);
    await assign(1, 2, 3);
    expect((await commit(a, 5)).error).toBeNull();
    expect((await commit(b, 5)).error).toBe("NOT_COORDINATOR");
    expect((await commit("", 5)).error).toBe("INVALID_GROUP_ID");
    expect(coordinator.servingCount).toBe(1);
    expect(await coordinator.listGroups()).toMatchObject({ error: null, groups: [{ groupId: a }] });
  });

  test("what was committed is found again when the leadership comes back", async () => {
    const { assign, commit, offsetOf } = await setUp();
    await assign(0, 1, 3);
    await commit(a, 5);
    await assign(0, 2, 4);
    expect(await offsetOf(a)).toBe("NOT_COORDINATOR");
    await assign(0, 1, 5);
    expect(await offsetOf(a)).toBe("t 5");
  });

  test("a higher epoch of a leadership that goes on changes nothing", async () => {
    const { assign, coordinator, clock } = await setUp();
    await assign(0, 1, 3);
    const join = new Asked(
      coordinator.run(a, (machine, now) =>
        machine.classic.join(
          a,
          {
            ...{
              memberId: "",
              groupInstanceId: null,
              clientId: "c",
              clientHost: "/h",
              sessionTimeoutMs: 10_000,
              rebalanceTimeoutMs: 10_000,
            },
            ...{ protocolType: "x", protocols: [{ name: "p", metadata: Buffer.alloc(0) }], mustKnowItsId: false, canSkipAssignment: false },
          },
          now,
        ),
      ),
    );
    await assign(0, 1, 4);
    expect(join.isWaiting).toBe(true);
    await clock.advance(3_000);
    expect(join.value.errorCode).toBe("NONE");
  });

  test("a commit is answered by the fetch that proves that the follower has it", async () => {
    const { assign, commit, replicas, clock } = await setUp();
    await assign(0, 1, 3, [1, 2]);
    const asked = await commit(a, 5);
    expect(asked.isWaiting).toBe(true);
    const at = { topicId: offsetsId, partition: 0, leaderEpoch: 3, lastFetchedEpoch: 3, logStartOffset: 0 };
    replicas.acknowledge({ brokerId: 2, brokerEpoch: 102, receivedAtMs: clock.monotonicMs() }, { ...at, fetchOffset: 1 });
    await settled();
    expect(asked.value).toMatchObject([{ partitions: [{ errorCode: "NONE" }] }]);
  });

  test("with a session that is not proved nothing is read and nothing acknowledged", async () => {
    const { assign, commit, offsetOf, session } = await setUp();
    await assign(0, 1, 3);
    await commit(a, 5);
    session.provedUntilMs = -1;
    expect(await offsetOf(a)).toBe("NOT_COORDINATOR");
    expect((await commit(a, 6)).error).toBe("NOT_COORDINATOR");
    session.provedUntilMs = Number.POSITIVE_INFINITY;
    expect(await offsetOf(a)).toBe("t 5");
  });

  test("the session's loss ends all of it", async () => {
    const { assign, commit, table, coordinator } = await setUp();
    await assign(0, 1, 3, [1, 2]);
    const asked = await commit(a, 5);
    table.standDown();
    await settled();
    expect(asked.error).toBe("NOT_COORDINATOR");
    expect(coordinator.servingCount).toBe(0);
  });

  test("a topic that is deleted, or re-created under its name, takes its offsets along", async () => {
    const { assign, commit, offsetOf, images, clock } = await setUp();
    for (const number of [0, 1]) await assign(number, 1, 3);
    await commit(a, 5, "t");
    await commit(b, 6, "u");
    const kept = [...images.current.topics.values()].filter(({ name }) => name === "__consumer_offsets");
    images.replace(image([...kept, topic("t", topicId("t")), topic("u", topicId("n"))]));
    await clock.advance(0);
    expect([await offsetOf(a), await offsetOf(b)]).toEqual(["t 5", ""]);
    images.replace(image([...kept, topic("u", topicId("n"))]));
    await clock.advance(0);
    expect(await offsetOf(a), "nobody says that it was deleted").toBe("t 5");
    images.replace(image([...kept, topic("u", topicId("n"))], { deletedTopics: new Map([[topicId("t"), "t"]]) }));
    await clock.advance(0);
    expect(await offsetOf(a)).toBe("");
  });

  test("between a deletion and the tombstones nobody is told of the old offsets, and what is committed for the new topic stays", async () => {
    const { assign, commit, offsetOf, images, clock } = await setUp();
    for (const number of [0, 1]) await assign(number, 1, 3);
    await commit(a, 5, "t");
    await commit(b, 6, "t");
    const kept = [...images.current.topics.values()].filter(({ name }) => name === "__consumer_offsets");
    images.replace(image([...kept, topic("t", topicId("n"))]));
    expect(await offsetOf(a)).toBe("");
    await commit(b, 2, "t");
    expect(await offsetOf(b)).toBe("t 2");
    await clock.advance(0);
    expect([await offsetOf(a), await offsetOf(b)]).toEqual(["", "t 2"]);
  });
});
