import { describe, expect, test } from "vitest";
import { endpoint } from "../../../broker/api/api.ts";
import { autoTopicCreation } from "../../../broker/api/auto-creation.ts";
import { createTopicsApi } from "../../../broker/api/create-topics.ts";
import { describeClusterApi } from "../../../broker/api/describe-cluster.ts";
import { Forwarder, forwarding } from "../../../broker/api/forwarding.ts";
import { type NewTopic, type TopicMaker, topicMaker } from "../../../broker/api/topic-maker.ts";
import { forwardHandler } from "../../../broker/peer-api/forward.ts";
import { type PeerRequester, PeerUnavailable } from "../../../broker/runtime/peer-port.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { createTopicsRequest, createTopicsResponse } from "../../../protocol/messages/create-topics.ts";
import { encodeWhole } from "../../../protocol/schema/message.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { FakeController } from "./fake-controller.ts";
import { askEndpoint, broker, context, Images, image, ManualClock, readWhole, settle } from "./fixtures.ts";

const request = {
  topics: [{ name: "a", numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
  timeoutMs: 100,
  validateOnly: false,
};

/** What a peer does with one request: answers, fails, or keeps silent until told to stop. */
type PeerBehavior = "serve" | "unreachable" | "connecting" | "silent" | "dies" | "not-controller" | "invalid";

/** This broker is 1; the controllers to be are 2 and 3. */
function cluster() {
  const clock = new ManualClock();
  const brokers = new Map([1, 2, 3].map((id) => [id, broker(id)]));
  const images = new Images(image([], { brokers, controllerId: 2, controllerEpoch: 3 }));
  const here = new FakeController();
  here.isController = false;
  const there = new FakeController();
  const handler = forwardHandler([endpoint(createTopicsApi(there, () => []))], there, silentLogger);
  const behaviors = new Map<string, PeerBehavior>();
  const asked: string[] = [];
  const peers: PeerRequester = {
    async request(to, _kind, body, { payload, signal, onSent }) {
      asked.push(to.host);
      const behavior = behaviors.get(to.host) ?? "serve";
      if (behavior === "unreachable") throw new PeerUnavailable(to.host);
      if (behavior !== "connecting") onSent?.();
      if (behavior === "dies") throw new PeerUnavailable(`${to.host}: the link broke`);
      if (behavior === "silent" || behavior === "connecting")
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new PeerUnavailable("stopped"))));
      if (behavior === "not-controller") return { body: { error: "NOT_CONTROLLER", message: "" } as never, payload: Buffer.alloc(0) };
      if (behavior === "invalid") return { body: { error: "INVALID_REQUEST", message: "what?" } as never, payload: Buffer.alloc(0) };
      const answer = await handler(body as never, Buffer.concat([...(payload ?? [])]), "peer-1");
      return { body: answer.body as never, payload: Buffer.concat([...(answer.payload ?? [])]) };
    },
  };
  const api = createTopicsApi(here, () => []);
  const forwarder = new Forwarder({ controller: here, images, peers, clock, random: seededRandom(3), timeoutMs: 1000 });
  const served = forwarding(api, forwarder);
  const stopping = new AbortController();
  const maker = topicMaker({ controller: here, forwarder, signal: stopping.signal });
  const ask = (signal = new AbortController().signal) => {
    const state: { codes: string[] | null } = { codes: null };
    void askEndpoint(served, api, request, 7, { signal }).then((response) => {
      state.codes = response?.topics.map(({ errorCode }) => errorCode) ?? [];
    });
    return state;
  };
  return { clock, images, here, there, behaviors, asked, served, ask, maker, stopping };
}

describe("a request that only the controller may serve", () => {
  test("is served here when this broker is the controller", async () => {
    const { here, asked, ask } = cluster();
    here.isController = true;
    const answer = ask();
    await settle();
    expect(answer.codes).toEqual(["NONE"]);
    expect([here.calls.length, asked]).toEqual([1, []]);
  });

  test("is passed on as it came to the controller that the metadata names", async () => {
    const { here, there, asked, served } = cluster();
    const bytes = await served.serve(encodeWhole(createTopicsRequest, request, 5), context(5));
    expect(readWhole(createTopicsResponse, Buffer.concat(bytes ?? []), 5).topics[0]).toMatchObject({ name: "a", errorCode: "NONE" });
    expect([here.calls.length, there.calls.length, asked]).toEqual([0, 1, ["peer-2"]]);
  });

  test("is refused here when malformed, in the same turn", () => {
    expect(() => cluster().served.serve(Buffer.from([1, 2, 3]), context(7))).toThrow(MalformedFrame);
  });

  test("is never handed to the next controller once the last one may have begun it: that may be what it died of", async () => {
    for (const behavior of ["silent", "dies"] as const) {
      const { images, behaviors, asked, ask, clock } = cluster();
      behaviors.set("peer-2", behavior);
      const answer = ask();
      await settle();
      images.replace({ ...images.current, controllerId: 3, controllerEpoch: 4 });
      await clock.advance(2000);
      expect(answer.codes, behavior).toEqual(["REQUEST_TIMED_OUT"]);
      expect(asked, behavior).toEqual(["peer-2"]);
      expect([images.listeners, clock.pending]).toEqual([0, 0]);
    }
  });

  test("goes to the next controller as soon as the metadata names it, even while the link to the old one is not open yet", async () => {
    const { images, behaviors, asked, ask, clock } = cluster();
    behaviors.set("peer-2", "connecting");
    const answer = ask();
    await settle();
    expect(answer.codes).toBeNull();
    images.replace({ ...images.current, controllerId: 3, controllerEpoch: 4 });
    await clock.advance(200);
    expect(answer.codes).toEqual(["NONE"]);
    expect(asked).toEqual(["peer-2", "peer-3"]);
    expect([images.listeners, clock.pending]).toEqual([0, 0]);
  });

  test("a new controller ends the pause between attempts", async () => {
    const { images, behaviors, asked, ask, clock } = cluster();
    behaviors.set("peer-2", "unreachable");
    const answer = ask();
    await clock.advance(400);
    const attempts = asked.length;
    images.replace({ ...images.current, controllerId: 3, controllerEpoch: 4 });
    await settle();
    expect(answer.codes).toEqual(["NONE"]);
    expect(asked.slice(attempts)).toEqual(["peer-3"]);
  });

  test("is served here once this broker has become the controller", async () => {
    const { here, behaviors, ask, clock } = cluster();
    behaviors.set("peer-2", "not-controller");
    const answer = ask();
    await settle();
    here.isController = true;
    await clock.advance(200);
    expect(answer.codes).toEqual(["NONE"]);
    expect(here.calls).toHaveLength(1);
  });

  test("is answered with an error per item when no controller can be asked in time", async () => {
    for (const [behavior, code] of [
      ["unreachable", "REQUEST_TIMED_OUT"],
      ["not-controller", "NOT_CONTROLLER"],
    ] as const) {
      const { behaviors, ask, clock, asked, images } = cluster();
      behaviors.set("peer-2", behavior);
      const answer = ask();
      await clock.advance(999);
      expect(answer.codes).toBeNull();
      await clock.advance(1);
      expect(answer.codes).toEqual([code]);
      expect(asked.length).toBeGreaterThan(2);
      expect(asked.length).toBeLessThan(20);
      expect([images.listeners, clock.pending]).toEqual([0, 0]);
    }
  });

  test("waits for a controller while none is known", async () => {
    const { images, asked, ask, clock } = cluster();
    images.replace({ ...images.current, controllerId: -1 });
    const answer = ask();
    await clock.advance(500);
    expect([answer.codes, asked]).toEqual([null, []]);
    images.replace({ ...images.current, controllerId: 3, controllerEpoch: 4 });
    await settle();
    expect(answer.codes).toEqual(["NONE"]);
  });

  test("a refusal that another attempt would not change is answered at once", async () => {
    const { behaviors, ask } = cluster();
    behaviors.set("peer-2", "invalid");
    const answer = ask();
    await settle();
    expect(answer.codes).toEqual(["INVALID_REQUEST"]);
  });

  test("is given up when its client is gone", async () => {
    const { behaviors, ask, clock, images } = cluster();
    behaviors.set("peer-2", "silent");
    const connection = new AbortController();
    const answer = ask(connection.signal);
    await settle();
    connection.abort();
    await settle();
    expect(answer.codes).toEqual(["REQUEST_TIMED_OUT"]);
    expect([images.listeners, clock.pending]).toEqual([0, 0]);
  });
});

describe("the controller's side of a passed-on request", () => {
  const controller = new FakeController();
  const served = [endpoint(createTopicsApi(controller, () => [])), endpoint(describeClusterApi(new Images(image([]))))];
  const handler = forwardHandler(served, controller, silentLogger);
  const ask = async (apiKey: number, apiVersion: number, payload: Buffer) =>
    (await handler({ apiKey, apiVersion, clientId: null, listener: "PUBLIC" }, payload, "peer-1")).body.error;
  const good = encodeWhole(createTopicsRequest, request, 7);

  test("serves only what is the controller's alone, in versions that it knows", async () => {
    expect(await ask(19, 7, good)).toBe("NONE");
    expect(await ask(19, 8, good)).toBe("UNSUPPORTED_VERSION");
    expect(await ask(60, 0, Buffer.from([0, 0]))).toBe("INVALID_REQUEST");
    expect(await ask(999, 0, good)).toBe("INVALID_REQUEST");
  });

  test("answers a malformed body instead of breaking the link", async () => {
    expect(await ask(19, 7, good.subarray(0, 5))).toBe("INVALID_REQUEST");
  });

  test("says so when it is not the controller", async () => {
    controller.isController = false;
    expect(await ask(19, 7, good)).toBe("NOT_CONTROLLER");
  });
});

describe("the topic maker", () => {
  const wanted = (name: string): NewTopic => ({
    name,
    numPartitions: 50,
    replicationFactor: 3,
    configs: [{ name: "cleanup.policy", value: "compact" }],
  });
  const made = { error: "NONE", message: null };

  test("asks the controller itself where that is this broker, with no request in between", async () => {
    const { here, asked, maker } = cluster();
    here.isController = true;
    here.errors.set("b", "TOPIC_ALREADY_EXISTS");
    expect(await maker.make([wanted("a"), wanted("b")])).toMatchObject([made, { error: "TOPIC_ALREADY_EXISTS", message: "no: b" }]);
    const items = ["a", "b"].map((name) => ({ ...wanted(name), assignments: [] }));
    expect(here.calls).toEqual([{ method: "createTopics", items, options: { timeoutMs: 30_000, validateOnly: false } }]);
    expect(asked).toEqual([]);
  });

  test("asks the controller elsewhere, with the same outcome for each topic in its place", async () => {
    const { here, there, asked, maker } = cluster();
    there.errors.set("b", "INVALID_REPLICATION_FACTOR");
    expect(await maker.make([wanted("a"), wanted("b"), wanted("c")])).toEqual([
      made,
      { error: "INVALID_REPLICATION_FACTOR", message: "no: b" },
      made,
    ]);
    const items = ["a", "b", "c"].map((name) => ({ ...wanted(name), assignments: [] }));
    expect(there.calls).toEqual([{ method: "createTopics", items, options: { timeoutMs: 30_000, validateOnly: false } }]);
    expect([here.calls, asked]).toEqual([[], ["peer-2"]]);
  });

  test("says why no controller could be asked, and asks this broker once it has become it", async () => {
    const { behaviors, clock, maker } = cluster();
    behaviors.set("peer-2", "dies");
    expect(await maker.make([wanted("a"), wanted("b")])).toMatchObject([{ error: "REQUEST_TIMED_OUT" }, { error: "REQUEST_TIMED_OUT" }]);
    const later = cluster();
    later.behaviors.set("peer-2", "not-controller");
    const making = later.maker.make([wanted("a")]);
    await settle();
    later.here.isController = true;
    await later.clock.advance(200);
    expect(await making).toMatchObject([made]);
    expect([later.here.calls.length, clock.pending, later.clock.pending]).toEqual([1, 0, 0]);
  });

  test("ends when the broker stops", async () => {
    const { behaviors, maker, stopping, images, clock } = cluster();
    behaviors.set("peer-2", "silent");
    const making = maker.make([wanted("a")]);
    await settle();
    stopping.abort();
    expect(await making).toMatchObject([{ error: "REQUEST_TIMED_OUT" }]);
    expect([images.listeners, clock.pending]).toEqual([0, 0]);
  });
});

describe("auto creation", () => {
  const creating = () => {
    const { promise: gate, resolve: release, reject: fail } = Promise.withResolvers<void>();
    const { maker, here } = cluster();
    here.isController = true;
    const asked: NewTopic[] = [];
    const gated: TopicMaker = {
      make: async (topics) => {
        asked.push(...topics);
        await gate;
        return maker.make(topics);
      },
    };
    const lines: unknown[] = [];
    const say = (fields: object, message: string) => void lines.push([fields, message]);
    const log = { ...silentLogger, info: say, warn: say };
    return {
      here,
      asked,
      lines,
      release,
      fail,
      creation: autoTopicCreation({
        isEnabled: () => true,
        topicMaker: gated,
        log,
        clock: new ManualClock(),
        images: new Images(image([])),
      }),
    };
  };

  test("creates with the broker's defaults, and once however often the topic is mentioned meanwhile", async () => {
    const { asked, here, lines, release, creation } = creating();
    expect([creation.begin("a"), creation.begin("a")]).toEqual(["begun", "begun"]);
    release();
    await settle();
    expect(asked).toEqual([{ name: "a", numPartitions: -1, replicationFactor: -1, configs: [] }]);
    expect(lines).toEqual([[{ topic: "a" }, "created a topic on its first mention"]]);
    creation.begin("a");
    await settle();
    expect(here.calls).toHaveLength(2);
  });

  test("says in the log why a topic was not created, unless it is there already", async () => {
    const { here, lines, release, creation } = creating();
    here.errors.set("a", "POLICY_VIOLATION").set("b", "TOPIC_ALREADY_EXISTS");
    for (const name of ["a", "b"]) creation.begin(name);
    release();
    await settle();
    expect(lines).toMatchObject([
      [{ topic: "a", error: "POLICY_VIOLATION", reason: "no: a" }, "could not create a topic on its first mention"],
    ]);
    const failing = creating();
    failing.creation.begin("a");
    const err = new MalformedFrame("not an answer");
    failing.fail(err);
    await settle();
    expect(failing.lines).toMatchObject([[{ topic: "a", err }, "could not create a topic on its first mention"]]);
  });

  test("leaves the brokers' own topics alone, and takes on no more than its bound", () => {
    const { creation } = creating();
    expect(creation.begin("__consumer_offsets")).toBe("not-begun");
    for (let i = 0; i < 1000; i++) expect(creation.begin(`t${i}`)).toBe("begun");
    expect([creation.begin("one-more"), creation.begin("t5")]).toEqual(["not-begun", "begun"]);
  });
});
