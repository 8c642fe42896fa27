import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { type FetchSession, nextEpoch } from "../../../broker/api/fetch-session.ts";
import { FetchSessionCache } from "../../../broker/api/fetch-session-cache.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { FetchResponse } from "../../../protocol/messages/fetch.ts";
import { byId, fetching, fetchOf, type Want } from "./fetch-fixtures.ts";
import { answerOf, ManualClock } from "./fixtures.ts";

const orders = (...numbers: readonly number[]): Want[] => numbers.map((number) => ({ topic: "orders", partition: number }));
const tellsOf = ({ responses }: FetchResponse) =>
  responses.flatMap(({ topic, partitions }) => partitions.map(({ partitionIndex }) => `${topic}-${partitionIndex}`));

async function open(numbers: readonly number[], version = 11) {
  const parts = fetching();
  const request = fetchOf(orders(...numbers), { sessionEpoch: 0 });
  const first = await answerOf(parts.api, version >= 13 ? byId(request) : request, version);
  const next = (sessionEpoch: number, wants: readonly Want[] = [], forget: readonly number[] = []) =>
    answerOf(
      parts.api,
      fetchOf(wants, {
        sessionId: first.sessionId,
        sessionEpoch,
        forgottenTopicsData: forget.length === 0 ? [] : [{ topic: "orders", topicId: zeroTopicId, partitions: forget }],
      }),
      version,
    );
  return { ...parts, first, next };
}

describe("fetch sessions", () => {
  test("the first answer has every partition, later ones only those with news", async () => {
    const { partitions, first, next } = await open([0, 1, 2]);
    expect(first.sessionId).toBeGreaterThan(0);
    expect(tellsOf(first)).toEqual(["orders-0", "orders-1", "orders-2"]);
    expect(tellsOf(await next(1))).toEqual([]);
    partitions.append("orders", 1, "a");
    expect(tellsOf(await next(2))).toEqual(["orders-1"]);
    expect(tellsOf(await next(3, [{ topic: "orders", partition: 1, offset: 1 }]))).toEqual([]);
    partitions.at("orders", 2).logStartOffset = 4;
    expect(tellsOf(await next(4))).toEqual(["orders-2"]);
  });

  test("partitions are added and forgotten", async () => {
    const { partitions, next } = await open([0, 1]);
    partitions.append("orders", 1, "a");
    partitions.append("orders", 3, "b");
    expect(tellsOf(await next(1, orders(3), [1]))).toEqual(["orders-3"]);
  });

  test("an error is told each time, and once it is over the partition is told again", async () => {
    const { partitions, next } = await open([0]);
    partitions.at("orders", 0).error = "NOT_LEADER_OR_FOLLOWER";
    expect(tellsOf(await next(1))).toEqual(["orders-0"]);
    expect(tellsOf(await next(2))).toEqual(["orders-0"]);
    partitions.at("orders", 0).error = null;
    expect(tellsOf(await next(3))).toEqual(["orders-0"]);
    expect(tellsOf(await next(4))).toEqual([]);
  });

  test("partitions that had records go to the end, so that every one gets its turn", async () => {
    const { partitions, next } = await open([0, 1, 2]);
    for (const number of [0, 1, 2]) partitions.append("orders", number, "aaa", "bbb");
    expect(tellsOf(await next(1))).toEqual(["orders-0", "orders-1", "orders-2"]);
    partitions.reads.length = 0;
    partitions.append("orders", 0, "ccc");
    await next(2, [
      { topic: "orders", partition: 1, offset: 2 },
      { topic: "orders", partition: 2, offset: 2 },
    ]);
    await next(3);
    expect(partitions.reads.slice(-3).map(({ ref }) => ref.partition)).toEqual([1, 2, 0]);
  });

  test("an unknown session, and an epoch out of turn, are refused", async () => {
    const { api, next } = await open([0]);
    expect(await next(2)).toMatchObject({ errorCode: "INVALID_FETCH_SESSION_EPOCH", sessionId: 0, responses: [] });
    expect(await next(1)).toMatchObject({ errorCode: "NONE" });
    expect(await next(1)).toMatchObject({ errorCode: "INVALID_FETCH_SESSION_EPOCH" });
    const stranger = await answerOf(api, fetchOf([], { sessionId: 99, sessionEpoch: 1 }), 11);
    expect(stranger.errorCode).toBe("FETCH_SESSION_ID_NOT_FOUND");
  });

  test("a session by names cannot go on by ids", async () => {
    const { api, first } = await open([0]);
    const response = await answerOf(api, fetchOf([], { sessionId: first.sessionId, sessionEpoch: 1 }), 13);
    expect(response.errorCode).toBe("FETCH_SESSION_TOPIC_ID_ERROR");
  });

  test("a full fetch closes the session it names, and opens another when its epoch is 0", async () => {
    const { api, first, next, sessions } = await open([0]);
    const reopened = await answerOf(api, fetchOf(orders(0), { sessionId: first.sessionId, sessionEpoch: 0 }), 11);
    expect(reopened.sessionId).not.toBe(first.sessionId);
    expect((await next(1)).errorCode).toBe("FETCH_SESSION_ID_NOT_FOUND");
    await answerOf(api, fetchOf(orders(0), { sessionId: reopened.sessionId, sessionEpoch: -1 }), 11);
    expect(sessions.size).toBe(0);
  });

  test("forgetting the last partition closes the session", async () => {
    const { next, sessions } = await open([0]);
    expect(await next(1, [], [0])).toMatchObject({ errorCode: "NONE", sessionId: 0, responses: [] });
    expect(sessions.size).toBe(0);
  });

  test("an answer that a later request of the session overtook is refused", async () => {
    const { api, first, next, clock } = await open([0]);
    const waiting = answerOf(api, fetchOf([], { sessionId: first.sessionId, sessionEpoch: 1, maxWaitMs: 100 }), 11);
    await clock.advance(50);
    expect((await next(2)).errorCode).toBe("NONE");
    await clock.advance(50);
    expect((await waiting).errorCode).toBe("INVALID_FETCH_SESSION_EPOCH");
  });

  test("a session that somebody changes before its first answer went out makes that answer a refusal, whatever was forgotten", async () => {
    for (const forget of [[1], [0, 1]]) {
      const { api, sessions, clock } = fetching();
      const opened = vi.spyOn(sessions, "open");
      const opening = answerOf(api, fetchOf(orders(0, 1), { sessionEpoch: 0, maxWaitMs: 100, minBytes: 1 }), 11);
      const id = opened.mock.results[0]?.value.id;
      const forgottenTopicsData = [{ topic: "orders", topicId: zeroTopicId, partitions: forget }];
      expect((await answerOf(api, fetchOf([], { sessionId: id, sessionEpoch: 1, forgottenTopicsData }), 11)).errorCode).toBe("NONE");
      await clock.advance(100);
      const { errorCode, responses } = await opening;
      // where all was forgotten, the session is gone, and the answer stands as one of its own
      expect([errorCode, responses.flatMap(({ partitions }) => partitions).length]).toEqual(
        forget.length === 1 ? ["INVALID_FETCH_SESSION_EPOCH", 0] : ["NONE", 2],
      );
    }
  });

  test("epochs begin again at 1 after the largest", () => {
    expect(nextEpoch(0)).toBe(1);
    expect(nextEpoch(2 ** 31 - 1)).toBe(1);
  });

  test("whatever happens, what a client was told adds up to what a full fetch tells", async () => {
    const number = fc.integer({ min: 0, max: 2 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant("append" as const), number }),
      fc.record({ kind: fc.constant("trim" as const), number }),
      fc.record({ kind: fc.constant("fail" as const), number }),
      fc.record({ kind: fc.constant("diverge" as const), number }),
      fc.record({ kind: fc.constant("heal" as const), number }),
      fc.record({ kind: fc.constant("add" as const), number }),
      fc.record({ kind: fc.constant("forget" as const), number }),
      ...[1, 2, 3].map(() => fc.record({ kind: fc.constant("fetch" as const), number })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), fc.constantFrom(12, 13), async (steps, version) => {
        const client = new SessionClient(version);
        await client.fetch();
        for (const { kind, number: at } of steps) {
          const partition = client.parts.partitions.at("orders", at);
          if (kind === "append") partition.batches.push("x");
          if (kind === "trim") partition.logStartOffset = partition.batches.length;
          if (kind === "fail") partition.error = "NOT_LEADER_OR_FOLLOWER";
          if (kind === "diverge") partition.diverging = { epoch: 2, endOffset: partition.batches.length };
          if (kind === "heal") [partition.error, partition.diverging] = [null, null];
          if (kind === "add") client.add(at);
          if (kind === "forget") client.forget(at);
          if (kind === "fetch") await client.fetch();
        }
        await client.fetch();
        expect(client.view()).toEqual(await client.fullView());
      }),
    );
  });
});

/** What a client knows of each partition, kept up by incremental fetches as the Java client does. */
class SessionClient {
  readonly parts = fetching();
  readonly #version: number;
  readonly #wanted = new Map<number, { offset: number; told: string }>([0, 1].map((number) => [number, { offset: 0, told: "" }]));
  #named = new Set([0, 1]);
  #forgotten = new Map<number, { offset: number; told: string }>();
  #sessionId = 0;
  #epoch = 0;

  constructor(version: number) {
    this.#version = version;
  }

  add(number: number): void {
    // taken back before the broker heard of it: what it told us still holds
    if (!this.#wanted.has(number)) this.#wanted.set(number, this.#forgotten.get(number) ?? { offset: 0, told: "" });
    this.#named.add(number);
    this.#forgotten.delete(number);
  }

  forget(number: number): void {
    const known = this.#wanted.get(number);
    if (known === undefined || this.#wanted.size === 1) return;
    this.#wanted.delete(number);
    this.#named.delete(number);
    this.#forgotten.set(number, known);
  }

  async fetch(): Promise<void> {
    const request = fetchOf(this.#wants(this.#named), {
      sessionId: this.#sessionId,
      sessionEpoch: this.#epoch,
      forgottenTopicsData: [{ topic: "orders", topicId: zeroTopicId, partitions: [...this.#forgotten.keys()] }],
    });
    const response = await answerOf(this.parts.api, this.#version >= 13 ? byId(request) : request, this.#version);
    expect(response.errorCode).toBe("NONE");
    this.#sessionId = response.sessionId;
    this.#epoch++;
    this.#named = new Set();
    this.#forgotten = new Map();
    for (const { partitions } of response.responses)
      for (const answer of partitions) {
        const known = this.#wanted.get(answer.partitionIndex);
        expect(known).toBeDefined();
        if (known === undefined) continue;
        const { told, records } = tell(answer);
        known.told = told;
        known.offset += records;
        if (records > 0) this.#named.add(answer.partitionIndex);
      }
  }

  view(): Record<number, string> {
    return Object.fromEntries([...this.#wanted].sort(([a], [b]) => a - b).map(([number, { told }]) => [number, told]));
  }

  async fullView(): Promise<Record<number, string>> {
    const { responses } = await answerOf(this.parts.api, fetchOf(this.#wants(this.#wanted.keys())), 12);
    const told = responses.flatMap(({ partitions }) => partitions.map((answer) => [answer.partitionIndex, tell(answer).told] as const));
    return Object.fromEntries(told.sort(([a], [b]) => a - b));
  }

  #wants(numbers: Iterable<number>): Want[] {
    return [...numbers].map((number) => ({ topic: "orders", partition: number, offset: this.#wanted.get(number)?.offset ?? 0 }));
  }
}

function tell(answer: FetchResponse["responses"][number]["partitions"][number]) {
  const { errorCode, highWatermark, logStartOffset, divergingEpoch, records } = answer;
  return {
    told: `${errorCode} ${highWatermark} ${logStartOffset} ${divergingEpoch.endOffset}`,
    records: Buffer.concat([...(records ?? [])]).length,
  };
}

describe("the cache of fetch sessions", () => {
  const clock = new ManualClock();
  const wanted = (count: number) =>
    new Map(
      Array.from({ length: count }, (_, partition) => [
        `t-${partition}`,
        { topic: "t", topicId: zeroTopicId, partition, currentLeaderEpoch: -1, fetchOffset: 0, lastFetchedEpoch: -1, maxBytes: 1 },
      ]),
    );
  const opened = (cache: FetchSessionCache, count: number): FetchSession => {
    const session = cache.open(wanted(count), false);
    if (session === null) throw new Error("no room");
    return session;
  };

  test("a full cache keeps young sessions, however small", () => {
    const cache = new FetchSessionCache({ sessionsMax: 2, partitionsMax: 100 }, clock, seededRandom(1));
    opened(cache, 1);
    opened(cache, 1);
    expect(cache.open(wanted(5), false)).toBeNull();
    expect(cache.size).toBe(2);
  });

  test("a session unused for two minutes makes room for anyone", async () => {
    const cache = new FetchSessionCache({ sessionsMax: 2, partitionsMax: 100 }, clock, seededRandom(1));
    const [idle, used] = [opened(cache, 9), opened(cache, 9)];
    await clock.advance(120_001);
    cache.touch(used);
    opened(cache, 1);
    expect([cache.find(idle.id), cache.find(used.id)]).toEqual([undefined, used]);
  });

  test("an old session in use makes room for a larger one only; the smallest goes first", async () => {
    const cache = new FetchSessionCache({ sessionsMax: 2, partitionsMax: 100 }, clock, seededRandom(1));
    const [large, small] = [opened(cache, 4), opened(cache, 3)];
    await clock.advance(120_001);
    for (const session of [small, large]) cache.touch(session);
    expect(cache.open(wanted(3), false)).toBeNull();
    expect(cache.open(wanted(4), false)).not.toBeNull();
    expect(cache.find(small.id)).toBeUndefined();
  });

  test("all sessions together have a bound of partitions; those unused for two minutes make room within it, others do not", async () => {
    const cache = new FetchSessionCache({ sessionsMax: 10, partitionsMax: 10 }, clock, seededRandom(1));
    const [idle, used] = [opened(cache, 4), opened(cache, 4)];
    expect(cache.open(wanted(3), false)).toBeNull();
    await clock.advance(120_001);
    cache.touch(used);
    expect(cache.open(wanted(7), false), "not even then").toBeNull();
    expect(cache.find(idle.id)).toBeUndefined();
    const grown = opened(cache, 4);
    expect([cache.update(grown, wanted(6), []), cache.partitions]).toEqual([true, 10]);
    expect(cache.update(grown, wanted(5), ["t-5"]), "it became smaller").toBe(true);
    expect([cache.update(used, wanted(6), []), cache.find(used.id), cache.partitions]).toEqual([false, undefined, 5]);
    cache.close(grown.id);
    expect([cache.size, cache.partitions]).toEqual([0, 0]);
  });

  test("a session that outgrows the bound ends, and its client fetches without one", async () => {
    const parts = fetching({ maxBytes: 1000, sessionsPartitionsMax: 2 });
    const { sessionId } = await answerOf(parts.api, fetchOf(orders(0, 1), { sessionEpoch: 0 }), 11);
    const grown = await answerOf(parts.api, fetchOf(orders(2), { sessionId, sessionEpoch: 1 }), 11);
    expect(grown.errorCode).toBe("FETCH_SESSION_ID_NOT_FOUND");
    const anew = await answerOf(parts.api, fetchOf(orders(0, 1, 2), { sessionEpoch: 0 }), 11);
    expect([anew.errorCode, anew.sessionId, tellsOf(anew).length]).toEqual(["NONE", 0, 3]);
  });

  test("no slots means no sessions", () => {
    expect(new FetchSessionCache({ sessionsMax: 0, partitionsMax: 100 }, clock, seededRandom(1)).open(wanted(1), false)).toBeNull();
  });
});
