import { describe, expect, test } from "vitest";
import { uncounted } from "../../../broker/api/request-meter.ts";
import type { FetchRequest, FetchResponse } from "../../../protocol/messages/fetch.ts";
import { byId, fetching, fetchOf } from "./fetch-fixtures.ts";
import { answerOf, broker, image, settle, topic, topicId } from "./fixtures.ts";

/** `topic-partition: error, records`, in the answer's order. */
function told({ responses }: FetchResponse): string[] {
  return responses.flatMap(({ topic: name, partitions }) =>
    partitions.map(({ partitionIndex, errorCode, records }) => {
      const text = Buffer.concat([...(records ?? [])]).toString();
      return `${name}-${partitionIndex} ${errorCode === "NONE" ? text : errorCode}`.trim();
    }),
  );
}

/** Begins a fetch that may wait; `result` is null until it is answered. */
function begin(api: ReturnType<typeof fetching>["api"], request: FetchRequest, signal = new AbortController().signal, meter = uncounted) {
  const state: { result: string[] | null } = { result: null };
  void answerOf(api, request, 11, { signal, meter }).then((response) => {
    state.result = told(response);
  });
  return state;
}

describe("Fetch", () => {
  test("reads by name and by id in every version", async () => {
    for (let version = 4; version <= 17; version++) {
      const { api, partitions } = fetching();
      partitions.append("orders", 1, "one", "two");
      const request = fetchOf([{ topic: "orders", partition: 1, offset: 1 }]);
      const response = await answerOf(api, version >= 13 ? byId(request) : request, version);
      expect(response.responses).toHaveLength(1);
      expect(response.responses[0]?.partitions[0]).toMatchObject({
        partitionIndex: 1,
        errorCode: "NONE",
        highWatermark: 2,
        lastStableOffset: 2,
        logStartOffset: version >= 5 ? 0 : -1,
        abortedTransactions: null,
        preferredReadReplica: -1,
      });
      expect(told(response)[0]).toMatch(/-1 two$/);
    }
  });

  test("the first batch found comes whatever its size, and nothing beyond the bounds after it", async () => {
    const { api, partitions } = fetching();
    partitions.append("orders", 0, "a-large-batch", "b");
    partitions.append("orders", 1, "cc", "dd");
    const wants = [2, 0, 1].map((number) => ({ topic: "orders", partition: number }));
    expect(told(await answerOf(api, fetchOf(wants, { maxBytes: 5 }), 11))).toEqual(["orders-2", "orders-0 a-large-batch", "orders-1"]);
    expect(told(await answerOf(api, fetchOf(wants, { maxBytes: 16 }), 11))).toEqual(["orders-2", "orders-0 a-large-batchb", "orders-1 cc"]);
  });

  test("a partition's own bound holds for all but the first batch", async () => {
    const { api, partitions } = fetching();
    partitions.append("orders", 0, "aaaa", "bbbb");
    partitions.append("orders", 1, "cccc");
    const wants = [
      { topic: "orders", partition: 0, maxBytes: 2 },
      { topic: "orders", partition: 1, maxBytes: 2 },
    ];
    expect(told(await answerOf(api, fetchOf(wants), 11))).toEqual(["orders-0 aaaa", "orders-1"]);
  });

  test("the broker's bound holds whatever the client allows", async () => {
    const { api, partitions } = fetching({ maxBytes: 4 });
    partitions.append("orders", 0, "aa", "bb", "cc");
    expect(told(await answerOf(api, fetchOf([{ topic: "orders", partition: 0 }], { minBytes: 500 }), 11))).toEqual(["orders-0 aabb"]);
    expect(partitions.reads[0]?.options.maxBytes).toBe(4);
  });

  test("read committed says that no transaction was aborted", async () => {
    const { api, partitions } = fetching();
    partitions.append("orders", 0, "a");
    const response = await answerOf(api, fetchOf([{ topic: "orders", partition: 0 }], { isolationLevel: 1 }), 11);
    expect(response.responses[0]?.partitions[0]).toMatchObject({ abortedTransactions: [], lastStableOffset: 1 });
  });

  test("read committed tells the aborted transactions in the order of their beginnings, which is not that of their ends", async () => {
    const { api, partitions } = fetching();
    partitions.append("orders", 0, "a", "b", "c");
    const [first, second] = [0, 1].map((firstOffset) => ({ producerId: 7 + firstOffset, firstOffset }));
    partitions.at("orders", 0).aborted = [second!, first!];
    const response = await answerOf(api, fetchOf([{ topic: "orders", partition: 0 }], { isolationLevel: 1 }), 11);
    expect(response.responses[0]?.partitions[0]?.abortedTransactions).toEqual([first, second]);
  });

  test("a fetch in a replica's name is refused in both places where the id may be", async () => {
    const { api, partitions } = fetching();
    const request = fetchOf([{ topic: "orders", partition: 0 }]);
    expect(told(await answerOf(api, { ...request, replicaId: 2 }, 11))).toEqual(["orders-0 TOPIC_AUTHORIZATION_FAILED"]);
    const at15 = await answerOf(api, { ...byId(request), replicaState: { replicaId: 2, replicaEpoch: 1 } }, 15);
    expect(told(at15)).toEqual(["-0 TOPIC_AUTHORIZATION_FAILED"]);
    expect(partitions.reads).toEqual([]);
  });

  test("from version 16 on a leadership error names the leader and its address", async () => {
    const { api, partitions } = fetching();
    partitions.at("bills", 0).error = "NOT_LEADER_OR_FOLLOWER";
    const request = byId(fetchOf([{ topic: "bills", partition: 0 }]));
    const at16 = await answerOf(api, request, 16);
    expect(at16.responses[0]?.partitions[0]).toMatchObject({
      errorCode: "NOT_LEADER_OR_FOLLOWER",
      currentLeader: { leaderId: 2, leaderEpoch: 8 },
    });
    expect(at16.nodeEndpoints).toEqual([{ nodeId: 2, host: "public-2", port: 9002, rack: null }]);
    const at15 = await answerOf(api, request, 15);
    expect(at15.responses[0]?.partitions[0]?.currentLeader.leaderId).toBe(-1);
  });

  test("hands on the client's epochs and answers where its log parts from ours", async () => {
    const { api, partitions } = fetching();
    partitions.at("orders", 0).diverging = { epoch: 3, endOffset: 17 };
    const request = fetchOf([{ topic: "orders", partition: 0 }], { maxWaitMs: 1000 });
    const [asked] = request.topics;
    const partition = { ...asked!.partitions[0]!, currentLeaderEpoch: 5, lastFetchedEpoch: 4 };
    const response = await answerOf(api, { ...request, topics: [{ ...asked!, partitions: [partition] }] }, 12);
    expect(response.responses[0]?.partitions[0]?.divergingEpoch).toEqual({ epoch: 3, endOffset: 17 });
    expect(partitions.reads[0]?.options).toMatchObject({ currentLeaderEpoch: 5, lastFetchedEpoch: 4 });
  });
});

describe("topic ids in Fetch", () => {
  test("an id that no topic has is UNKNOWN_TOPIC_ID", async () => {
    const { api } = fetching();
    const request = byId(fetchOf([{ topic: topicId("x"), partition: 0 }], { maxWaitMs: 1000 }));
    expect(told(await answerOf(api, request, 13))).toEqual(["-0 UNKNOWN_TOPIC_ID"]);
  });

  test("a session whose topic was re-created under its name is told INCONSISTENT_TOPIC_ID, one whose topic is gone UNKNOWN_TOPIC_ID", async () => {
    const { api, images } = fetching();
    const opened = await answerOf(api, byId(fetchOf([{ topic: "orders", partition: 0 }], { sessionEpoch: 0 })), 13);
    const next = (sessionEpoch: number) => answerOf(api, fetchOf([], { sessionId: opened.sessionId, sessionEpoch }), 13);
    images.replace(image([topic("orders", topicId("n"))]));
    expect(told(await next(1))).toEqual(["-0 INCONSISTENT_TOPIC_ID"]);
    images.replace(image([]));
    expect(told(await next(2))).toEqual(["-0 UNKNOWN_TOPIC_ID"]);
  });
});

describe("waiting in Fetch", () => {
  const waiting = fetchOf([{ topic: "orders", partition: 0 }], { maxWaitMs: 500, minBytes: 4 });

  test("answers as soon as there is enough, not before", async () => {
    const { api, partitions, clock } = fetching();
    const fetch = begin(api, waiting);
    await clock.advance(100);
    partitions.append("orders", 0, "ab");
    await clock.advance(100);
    expect(fetch.result).toBeNull();
    partitions.append("orders", 0, "cd");
    await settle();
    expect(fetch.result).toEqual(["orders-0 abcd"]);
    expect(partitions.waiting).toBe(0);
  });

  test("answers with what there is when the time is over", async () => {
    const { api, partitions, clock } = fetching();
    const fetch = begin(api, waiting);
    await clock.advance(100);
    partitions.append("orders", 0, "ab");
    await clock.advance(399);
    expect(fetch.result).toBeNull();
    await clock.advance(1);
    expect(fetch.result).toEqual(["orders-0 ab"]);
    expect(clock.pending).toBe(0);
  });

  test("does not miss what is appended while it reads", async () => {
    const { api, partitions } = fetching();
    let reads = 0;
    partitions.onRead = () => {
      if (++reads === 2) partitions.append("orders", 0, "abcd");
    };
    const fetch = begin(api, waiting);
    await settle();
    expect(fetch.result).toEqual(["orders-0 abcd"]);
  });

  test("an error that turns up while waiting is answered at once", async () => {
    const { api, partitions, clock } = fetching();
    const fetch = begin(api, waiting);
    await clock.advance(100);
    partitions.at("orders", 0).error = "NOT_LEADER_OR_FOLLOWER";
    partitions.wake("orders", 0);
    await settle();
    expect(fetch.result).toEqual(["orders-0 NOT_LEADER_OR_FOLLOWER"]);
  });

  test("what was read is not held while more is waited for, and all that is read was reserved", async () => {
    const { api, partitions, clock } = fetching();
    let heldBytes = 0;
    const heldWhenReading: number[] = [];
    const heldWhenWaiting: number[] = [];
    const meter = {
      ...uncounted,
      reserve: (wantedBytes: number) => {
        const bytes = Math.min(wantedBytes, 3);
        heldBytes += bytes;
        return bytes;
      },
      settle: (reservedBytes: number, usedBytes: number) => {
        heldBytes += usedBytes - reservedBytes;
      },
      fetchWaits: () => heldWhenWaiting.push(heldBytes),
    };
    partitions.onRead = () => heldWhenReading.push(heldBytes);
    const fetch = begin(api, waiting, undefined, meter);
    for (const batch of ["a", "b", "c"]) {
      await clock.advance(100);
      expect(heldBytes, "nothing while it waits").toBe(0);
      partitions.append("orders", 0, batch);
    }
    await clock.advance(500);
    expect(fetch.result, "no more than could be reserved").toEqual(["orders-0 abc"]);
    expect(heldBytes, "the answer's bytes").toBe(3);
    expect(heldWhenReading).toEqual(heldWhenReading.map(() => 3));
    expect(heldWhenWaiting).toEqual([0, 0, 0, 0]);
  });

  test("stops waiting when the connection is gone", async () => {
    const { api, partitions, clock } = fetching();
    const connection = new AbortController();
    const fetch = begin(api, waiting, connection.signal);
    await clock.advance(100);
    expect(partitions.waiting).toBe(1);
    connection.abort();
    await settle();
    expect(fetch.result).not.toBeNull();
    expect(partitions.waiting).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("minBytes 0 and maxWaitMs 0 do not wait", async () => {
    const { api } = fetching();
    const without = begin(api, { ...waiting, minBytes: 0 });
    const noTime = begin(api, { ...waiting, maxWaitMs: 0 });
    await settle();
    expect([without.result, noTime.result]).toEqual([["orders-0"], ["orders-0"]]);
  });
});

describe("Fetch close by", () => {
  const wants = [{ topic: "orders", partition: 0 }];

  /** Brokers 1 and 2 stand in r1, 3 and 4 in r3; 4 is being shut down. */
  function racked(sendsToRack = true) {
    const parts = fetching({ sendsToRack });
    const racks = ["r1", "r1", "r3", "r3"];
    const brokers = new Map(racks.map((rack, index) => [index + 1, { ...broker(index + 1), rack }]));
    parts.images.replace({ ...parts.images.current, brokers, leavingBrokers: new Set([4]) });
    parts.partitions.append("orders", 0, "one", "two");
    return parts;
  }

  test("the leader names a follower of the client's rack, at once and without records", async () => {
    const { api, partitions } = racked();
    const waiting = fetchOf(wants, { rackId: "r3", maxWaitMs: 500, minBytes: 500 });
    const { responses } = await answerOf(api, waiting, 11);
    expect(partitions.reads[0]?.options.near).toEqual([3]);
    expect(responses[0]?.partitions[0]).toMatchObject({ errorCode: "NONE", preferredReadReplica: 3, highWatermark: 2 });
    expect(Buffer.concat(responses[0]?.partitions[0]?.records ?? []).length).toBe(0);
  });

  test("it serves who stands in its own rack, or in none that is known, or says nothing of it", async () => {
    for (const rackId of ["r1", "r9", ""]) {
      const { api, partitions } = racked();
      expect(told(await answerOf(api, fetchOf(wants, { rackId }), 11))).toEqual(["orders-0 onetwo"]);
      expect(partitions.reads[0]?.options.near).toEqual([]);
    }
  });

  test("it serves everybody unless replica.selector.class says otherwise, and versions that do not know of racks", async () => {
    const { api } = racked(false);
    expect(told(await answerOf(api, fetchOf(wants, { rackId: "r3" }), 11))).toEqual(["orders-0 onetwo"]);
    const old = racked();
    expect(told(await answerOf(old.api, fetchOf(wants, { rackId: "r3" }), 10))).toEqual(["orders-0 onetwo"]);
  });

  test("a follower serves who says its rack, and nobody else", async () => {
    const { api, partitions } = racked();
    partitions.at("orders", 0).isFollowed = true;
    expect(told(await answerOf(api, fetchOf(wants, { rackId: "r3" }), 11))).toEqual(["orders-0 onetwo"]);
    expect(told(await answerOf(api, fetchOf(wants), 11))).toEqual(["orders-0 NOT_LEADER_OR_FOLLOWER"]);
    expect(told(await answerOf(api, fetchOf(wants, { rackId: "r3" }), 10))).toEqual(["orders-0 NOT_LEADER_OR_FOLLOWER"]);
  });

  test("what a follower does not know yet is waited for, and is OFFSET_NOT_AVAILABLE when it does not come", async () => {
    const { api, partitions, clock } = racked();
    const followed = partitions.at("orders", 0);
    Object.assign(followed, { isFollowed: true, knownEnd: 0 });
    const asked = fetchOf([{ topic: "orders", partition: 0, offset: 1 }], { rackId: "r3", maxWaitMs: 500 });
    const inVain = begin(api, asked);
    await clock.advance(499);
    expect(inVain.result).toBeNull();
    await clock.advance(10);
    expect(inVain.result).toEqual(["orders-0 OFFSET_NOT_AVAILABLE"]);
    const fetch = begin(api, asked);
    await clock.advance(100);
    followed.knownEnd = 2;
    partitions.wake("orders", 0);
    await settle();
    expect(fetch.result).toEqual(["orders-0 two"]);
  });

  test("an answer that goes out for another partition meanwhile says that there is nothing new", async () => {
    const { api, partitions } = racked();
    Object.assign(partitions.at("orders", 0), { isFollowed: true, knownEnd: 0 });
    partitions.append("orders", 1, "other");
    const both = [
      { topic: "orders", partition: 0, offset: 1 },
      { topic: "orders", partition: 1 },
    ];
    const asked = fetchOf(both, { rackId: "r1", maxWaitMs: 500 });
    expect(told(await answerOf(api, asked, 11))).toEqual(["orders-0", "orders-1 other"]);
  });

  test("within a session the leader says it each time", async () => {
    const { api } = racked();
    const { sessionId } = await answerOf(api, fetchOf(wants, { rackId: "r3", sessionEpoch: 0 }), 11);
    const again = await answerOf(api, fetchOf([], { rackId: "r3", sessionId, sessionEpoch: 1 }), 11);
    expect(again.responses[0]?.partitions[0]?.preferredReadReplica).toBe(3);
  });
});
