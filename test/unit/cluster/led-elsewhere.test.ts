import { describe, expect, test } from "vitest";
import { type ClusterImage, emptyImage, ImageStore } from "../../../broker/cluster/cluster-image.ts";
import type { LedElsewhere } from "../../../broker/cluster/cut-off-leader.ts";
import { someoneLeft, withLedElsewhere } from "../../../broker/cluster/image-updates.ts";
import { settingsResolver } from "../../../broker/cluster/resolve-settings.ts";
import { UpdateReceiver } from "../../../broker/cluster/update-receiver.ts";
import { type ControllerState, emptyState, withTopic } from "../../../broker/controller/controller-state.ts";
import { allDirty, updatesFor } from "../../../broker/controller/dirty-set.ts";
import type { RoleSink } from "../../../broker/partition/cluster-contract.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import type { PartitionRecord } from "../../../protocol/peer/messages.ts";
import { producedBatch } from "../../support/memory-log.ts";
import { settled } from "../network/manual-clock.ts";
import { record as ledHere, setUp, topicId as tableTopicId } from "../partition/partition-fixture.ts";
import { partition, topicId, topicOf } from "./topics.ts";

const broker = (id: number) => ({ id, epoch: 100 + id, rack: null, endpoints: [], peer: { host: "h", port: id } });
const ids: Readonly<Record<string, string>> = { a: topicId(1), b: topicId(2), c: topicId(3) };
const elsewhere = (topic: string, number: number, change: Partial<PartitionRecord> = {}): LedElsewhere => ({
  topic,
  topicId: ids[topic]!,
  record: partition(number, { leader: 2, leaderEpoch: 1, stateVersion: 1, ...change }),
});

/** Topics `a` with two partitions and `b` with one, all led by broker 1 under epoch 0. */
const state: ControllerState = withTopic(withTopic(emptyState, topicOf("a", 1, 2)), topicOf("b", 2, 1));
const image: ClusterImage = {
  ...emptyImage("cluster"),
  brokers: new Map([1, 2, 3].map((id) => [id, broker(id)])),
  topics: new Map([...state.topics].map(([name, topic]) => [name, topic])),
  topicNames: state.topicNames,
};

describe("an image with what was found to be led elsewhere", () => {
  test("has the newer states, and everything else as it was", () => {
    const next = withLedElsewhere(image, [elsewhere("a", 1), elsewhere("b", 0, { leaderEpoch: 7 })]);
    expect(next.topics.get("a")?.partitions.map(({ leader, leaderEpoch }) => [leader, leaderEpoch])).toEqual([
      [1, 0],
      [2, 1],
    ]);
    expect(next.topics.get("b")?.partitions[0]).toMatchObject({ leader: 2, leaderEpoch: 7, stateVersion: 1 });
    expect({ ...next, topics: null }).toEqual({ ...image, topics: null });
    expect(image.topics.get("a")?.partitions[1]?.leader, "the one before is a value").toBe(1);
  });

  test("is the same one where none is newer, or known", () => {
    const older = { ...image, topics: new Map([["a", { ...topicOf("a", 1, 0), partitions: [partition(0, { leaderEpoch: 3 })] }]]) };
    expect(withLedElsewhere(older, [elsewhere("a", 0, { leaderEpoch: 3 }), elsewhere("a", 0, { leaderEpoch: 2 })])).toBe(older);
    expect(withLedElsewhere(image, [elsewhere("c", 0), elsewhere("a", 2)])).toBe(image);
    expect(withLedElsewhere(image, [])).toBe(image);
    const found = { ...elsewhere("a", 0, { leaderEpoch: 7 }), topicId: topicId(9) };
    expect(withLedElsewhere(image, [found]), "of the one before, under the same name").toBe(image);
  });
});

describe("leaders check their followers", () => {
  const some = (change: Partial<ClusterImage>) => ({ ...image, ...change });

  test("when a broker is suspected that was not, is gone, or stops; not when one is trusted again, or comes", () => {
    const suspected = some({ suspectedBrokers: new Set([2]) });
    expect(someoneLeft(image, suspected)).toBe(true);
    expect(someoneLeft(suspected, some({ suspectedBrokers: new Set([3]) }))).toBe(true);
    expect(someoneLeft(suspected, some({ suspectedBrokers: new Set([2]) }))).toBe(false);
    expect(someoneLeft(suspected, image)).toBe(false);
    expect(someoneLeft(image, some({ brokers: new Map([1, 2].map((id) => [id, broker(id)])) }))).toBe(true);
    expect(someoneLeft(image, some({ brokers: new Map([1, 2, 3, 4].map((id) => [id, broker(id)])) }))).toBe(false);
    expect(someoneLeft(image, some({ leavingBrokers: new Set([2]) }))).toBe(true);
    expect(someoneLeft(image, some({ offlineReplicas: new Map() }))).toBe(true);
  });
});

/** Broker 1, registered with epoch 101. */
function receiver(roles: Partial<RoleSink>) {
  const images = new ImageStore("cluster");
  const view = { ownEpoch: 101 };
  const calls: string[] = [];
  const sink: RoleSink = {
    assign: async (replicas) => {
      for (const { topic, state: of } of replicas) calls.push(`${topic}-${of.partition}: ${of.leader} leads under ${of.leaderEpoch}`);
    },
    withdraw: async () => {},
    forget: async () => [],
    lookAtFollowers: () => void calls.push("look at followers"),
    updateSettings: () => {},
    standDown: () => {},
    ...roles,
  };
  const updates = new UpdateReceiver({
    brokerId: 1,
    isPresentTerm: async () => true,
    images,
    roles: sink,
    view,
    seen: { controllerEpoch: -1, note: async () => {} },
    localReplicas: () => [],
    resolveSettings: settingsResolver(1, {}),
    log: silentLogger,
  });
  let sequence = 0;
  /** The controller's update, with everything. */
  const send = async (controllerState: ControllerState) => {
    const to = { sender: { controllerId: 3, controllerEpoch: 4 }, brokerEpoch: 101, startingLeaders: [], nextSequence: () => sequence++ };
    const [update] = updatesFor(controllerState, allDirty, to);
    return (await updates.handle(update!, Buffer.alloc(0), "test")).body.error;
  };
  const leaderOf = (topic: string, number = 0) => images.current.topics.get(topic)?.partitions[number]?.leader;
  return { images, view, calls, updates, send, leaderOf };
}

describe("what a leader that is cut off has found out", () => {
  test("is taken like an update: in the image, and by the roles that it changes", async () => {
    const { updates, calls, send, leaderOf, images } = receiver({});
    expect(await send(state)).toBe("NONE");
    calls.length = 0;
    await updates.adopt([elsewhere("a", 1), elsewhere("b", 0, { leaderEpoch: 0 })]);
    expect(calls).toEqual(["a-1: 2 leads under 1"]);
    expect([leaderOf("a", 0), leaderOf("a", 1), leaderOf("b"), images.current.controllerEpoch]).toEqual([1, 2, 1, 4]);
    expect(await send(state), "and the stream of updates continues").toBe("NONE");
  });

  test("changes nothing where it is not newer, or this broker has lost its registration", async () => {
    const { updates, calls, send, images, view } = receiver({});
    await send(state);
    calls.length = 0;
    const before = images.current;
    await updates.adopt([elsewhere("a", 0, { leaderEpoch: 0 }), elsewhere("c", 0)]);
    view.ownEpoch = -1;
    await updates.adopt([elsewhere("a", 0)]);
    expect([images.current, calls]).toEqual([before, []]);
    expect(images.current).toBe(before);
  });

  test("waits for its turn: an update that is under way is taken first, and one that comes later after it", async () => {
    const held = Promise.withResolvers<void>();
    const taken: string[] = [];
    const { updates, send, leaderOf } = receiver({
      assign: async (replicas) => {
        taken.push(replicas.map(({ topic, state: of }) => `${topic}-${of.partition} ${of.leaderEpoch}`).join());
        if (taken.length === 1) await held.promise;
      },
    });
    const first = send(state);
    await settled();
    const adopted = updates.adopt([elsewhere("b", 0)]);
    const newer = withTopic(state, { ...topicOf("b", 2, 1), partitions: [partition(0, { leader: 3, leaderEpoch: 2 })] });
    const last = send(newer);
    await settled();
    expect([taken, leaderOf("b")]).toEqual([["a-0 0,a-1 0,b-0 0"], 1]);
    held.resolve();
    await Promise.all([first, adopted, last]);
    expect(taken.slice(1)).toEqual(["b-0 1", "a-0 0,a-1 0,b-0 2"]);
    expect(leaderOf("b")).toBe(3);
  });

  test("ends the waiting of its producers, who learn that another leads; an older state does not", async () => {
    const { table, append, service } = await setUp({}, { isr: [1, 2] });
    const { updates, images, send } = receiver({
      assign: (replicas) => table.assign(replicas),
      lookAtFollowers: () => table.lookAtFollowers(),
    });
    const topic = { name: "t", id: tableTopicId, version: 0, partitions: [{ ...ledHere, isr: [1, 2] }], config: {} };
    expect(await send(withTopic(emptyState, topic))).toBe("NONE");
    const outcomes: unknown[] = [];
    void append(producedBatch(), -1).then(({ error }) => outcomes.push(error));
    await updates.adopt([{ topic: "t", topicId: tableTopicId, record: { ...ledHere, leader: 2, leaderEpoch: 5, stateVersion: 9 } }]);
    await settled();
    expect(outcomes).toEqual([]);
    await updates.adopt([
      { topic: "t", topicId: tableTopicId, record: { ...ledHere, leader: 2, leaderEpoch: 6, stateVersion: 9, isr: [1, 2] } },
    ]);
    await settled();
    expect(outcomes).toEqual(["NOT_LEADER_OR_FOLLOWER"]);
    expect(images.current.topics.get("t")?.partitions[0]).toMatchObject({ leader: 2, leaderEpoch: 6 });
    expect((await service.append({ topic: "t", partition: 0 }, producedBatch(), { acks: 1, timeoutMs: 1 })).error).toBe(
      "NOT_LEADER_OR_FOLLOWER",
    );
  });
});
