import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ClusterImage, emptyImage, ImageStore } from "../../../broker/cluster/cluster-image.ts";
import { type StreamPosition, startOfStream, takeUpdate } from "../../../broker/cluster/image-updates.ts";
import { settingsResolver } from "../../../broker/cluster/resolve-settings.ts";
import { UpdateReceiver } from "../../../broker/cluster/update-receiver.ts";
import {
  type ControllerState,
  emptyState,
  offlineKey,
  withBrokerConfig,
  withBrokers,
  withFeatures,
  withOfflineReplicas,
  withoutTopic,
  withPartitions,
  withTopic,
} from "../../../broker/controller/controller-state.ts";
import {
  allDirty,
  type DirtySet,
  dirtyPartitions,
  dirtyTopicConfig,
  mergeDirty,
  nothingDirty,
  updatesFor,
} from "../../../broker/controller/dirty-set.ts";
import type { AssignedReplica, RoleSink } from "../../../broker/partition/cluster-contract.ts";
import type { ClaimedTerm } from "../../../coordinator-client/known-controller.ts";
import { partitionKey } from "../../../protocol/base/ids.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import type { MetadataUpdateRequest } from "../../../protocol/peer/messages.ts";
import { partition, topicId, topicOf } from "./topics.ts";

const sender = { controllerId: 1, controllerEpoch: 3 };
const brokerEpoch = 77;
const broker = (id: number) => ({ id, epoch: id * 10, rack: null, endpoints: [], peer: { host: "h", port: id } });

/** Sends `dirty` of `state`, in parts of at most `partitionsMax`, from `sequence` on. */
function stream(partitionsMax = 20_000) {
  let sequence = 0;
  let position: StreamPosition = startOfStream;
  let image = emptyImage("cluster");
  return {
    get image() {
      return image;
    },
    updates: (state: ControllerState, dirty: DirtySet) =>
      updatesFor(state, dirty, { sender, brokerEpoch, startingLeaders: [], nextSequence: () => sequence++ }, partitionsMax),
    take(update: MetadataUpdateRequest) {
      const taken = takeUpdate(image, position, structuredClone(update), brokerEpoch);
      if (taken.kind === "applied" || taken.kind === "part") position = taken.position;
      if (taken.kind === "applied") image = taken.image;
      return taken;
    },
  };
}

const contents = ({
  brokers,
  topics,
  topicNames,
  brokerConfigs,
  features,
}: Pick<ClusterImage, "brokers" | "topics" | "topicNames" | "brokerConfigs" | "features">) => ({
  brokers: Object.fromEntries(brokers),
  topics: Object.fromEntries([...topics].map(([name, { id, partitions, config }]) => [name, { id, partitions, config }])),
  topicNames: Object.fromEntries(topicNames),
  brokerConfigs: Object.fromEntries(brokerConfigs),
  features: { epoch: features.epoch, levels: [...features.levels] },
});

describe("the stream of updates", () => {
  test("changes, whole or in parts, delayed or merged, leave every broker with the controller's state", () => {
    const change = fc.oneof(
      fc.record({
        kind: fc.constant("create" as const),
        topic: fc.integer({ min: 0, max: 3 }),
        partitions: fc.integer({ min: 1, max: 7 }),
      }),
      fc.record({ kind: fc.constant("delete" as const), topic: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ kind: fc.constant("lead" as const), topic: fc.integer({ min: 0, max: 3 }), leader: fc.integer({ min: 1, max: 2 }) }),
      fc.record({ kind: fc.constant("configure" as const), topic: fc.integer({ min: 0, max: 3 }), value: fc.string() }),
      fc.record({ kind: fc.constant("brokers" as const), live: fc.uniqueArray(fc.integer({ min: 1, max: 5 })) }),
      fc.record({ kind: fc.constant("default" as const), value: fc.string() }),
      fc.record({ kind: fc.constant("features" as const), level: fc.nat(2) }),
      fc.record({ kind: fc.constant("offline" as const), broker: fc.integer({ min: 1, max: 5 }), partitions: fc.uniqueArray(fc.nat(3)) }),
      fc.record({ kind: fc.constantFrom("send" as const, "send all" as const) }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), fc.integer({ min: 1, max: 6 }), (changes, partitionsMax) => {
        const { updates, take, ...rest } = stream(partitionsMax);
        const receiver = { take, rest };
        let state = emptyState;
        let dirty: DirtySet = allDirty;
        let ids = 0;
        let image = emptyImage("cluster");
        const send = () => {
          for (const update of updates(state, dirty)) {
            const taken = receiver.take(update);
            expect(taken.kind).toBe(update.more ? "part" : "applied");
            if (taken.kind === "applied") image = taken.image;
          }
          dirty = nothingDirty;
          expect(contents(image)).toEqual(contents(state));
          const offline = [...state.offlineReplicas].flatMap(([id, { replicas }]) =>
            [...replicas.values()].map(({ topicId, partition, reason }) => `${id} ${partitionKey(topicId, partition)} ${reason}`),
          );
          const known = [...image.offlineReplicas].flatMap(([id, reasons]) =>
            [...reasons].map(([key, reason]) => `${id} ${key} ${reason}`),
          );
          expect(known.sort()).toEqual(offline.sort());
        };
        for (const next of changes) {
          const name = "topic" in next ? `t${next.topic}` : "";
          const known = state.topics.get(name);
          switch (next.kind) {
            case "create":
              if (known !== undefined) break;
              state = withTopic(state, topicOf(name, ids++, next.partitions));
              dirty = mergeDirty(
                dirty,
                dirtyPartitions(state.topics.get(name)!.partitions.map(({ partition: number }) => ({ topic: name, partition: number }))),
              );
              break;
            case "delete":
              if (known === undefined) break;
              state = withoutTopic(state, name);
              dirty = mergeDirty(dirty, { ...nothingDirty, deletedTopics: new Map([[known.id, name]]) });
              break;
            case "lead": {
              const record = known?.partitions.at(-1);
              if (record === undefined) break;
              const changed = {
                ...record,
                leader: next.leader,
                leaderEpoch: record.leaderEpoch + 1,
                stateVersion: record.stateVersion + 1,
              };
              state = withPartitions(state, [{ topic: name, record: changed }]);
              dirty = mergeDirty(dirty, dirtyPartitions([{ topic: name, partition: record.partition }]));
              break;
            }
            case "configure":
              if (known === undefined) break;
              state = withTopic(state, { ...known, config: { x: next.value } });
              dirty = mergeDirty(dirty, dirtyTopicConfig(name));
              break;
            case "brokers":
              state = withBrokers(state, new Map(next.live.map((id) => [id, broker(id)])), new Map());
              dirty = mergeDirty(dirty, { ...nothingDirty, brokers: true, offlineReplicas: true });
              break;
            case "offline": {
              const replicas = next.partitions.map((number) => ({
                topicId: topicId(0),
                partition: number,
                reason: `reason ${number % 2}`,
              }));
              const byKey = new Map(replicas.map((replica) => [offlineKey(replica.topicId, replica.partition), replica]));
              state = withOfflineReplicas(state, next.broker, { sequence: 0, replicas: byKey });
              dirty = mergeDirty(dirty, { ...nothingDirty, offlineReplicas: true });
              break;
            }
            case "default":
              state = withBrokerConfig(state, "", { x: next.value });
              dirty = mergeDirty(dirty, { ...nothingDirty, brokerConfigs: true });
              break;
            case "features":
              state = withFeatures(state, { epoch: state.features.epoch + 1, levels: new Map([["transaction.version", next.level]]) });
              dirty = mergeDirty(dirty, { ...nothingDirty, features: true });
              break;
            case "send all":
              dirty = allDirty;
              send();
              break;
            case "send":
              send();
          }
        }
        send();
      }),
    );
  });

  test("a controller that knows no features has none in force", () => {
    const { updates, take } = stream();
    const state = withFeatures(emptyState, { epoch: 4, levels: new Map([["transaction.version", 2]]) });
    const told = take(updates(state, allDirty)[0]!);
    expect(told.kind === "applied" && told.image.features.levels.get("transaction.version")).toBe(2);
    const { features: _, ...older } = updates(state, allDirty)[0]!;
    const without = take(older);
    expect(without.kind === "applied" && without.image.features).toEqual({ epoch: -1, levels: new Map() });
  });

  test("nothing of a full update applies before its last part, and a gap asks for all of it again", () => {
    const state = withTopic(withTopic(emptyState, topicOf("a", 1, 3)), topicOf("b", 2, 3));
    const whole = stream(2);
    const parts = whole.updates(state, allDirty);
    expect(parts.map(({ more }) => more)).toEqual([true, true, false]);
    expect(whole.take(parts[0]!).kind).toBe("part");
    expect(whole.image.topics.size).toBe(0);
    expect(whole.take(parts[1]!).kind).toBe("part");
    expect(whole.take(parts[2]!).kind).toBe("applied");
    expect(whole.image.topics.get("b")?.partitions).toHaveLength(3);

    const gap = stream(2);
    const others = gap.updates(state, allDirty);
    gap.take(others[0]!);
    expect(gap.take(others[2]!)).toMatchObject({ kind: "refused", error: "INVALID_REQUEST" });
  });

  test("a partition that leaves a hole before it is refused at once, however large the hole", () => {
    const state = withTopic(emptyState, topicOf("a", 1, 2));
    const { updates, take } = stream();
    const [full] = updates(state, allDirty);
    const far = { ...full!.topics[0]!, partitions: [partition(0), partition(2 ** 31 - 1)] };
    expect(take({ ...full!, topics: [far] })).toMatchObject({ kind: "refused", error: "INVALID_REQUEST" });
  });

  test("a late copy of an abandoned attempt changes nothing", () => {
    const { updates, take } = stream();
    const state = withTopic(emptyState, topicOf("a", 1, 1));
    const [first] = updates(state, allDirty);
    const [late] = updates(state, dirtyPartitions([{ topic: "a", partition: 0 }]));
    const moved = withPartitions(state, [{ topic: "a", record: partition(0, { leader: 2, leaderEpoch: 1, stateVersion: 1 }) }]);
    const [newer] = updates(moved, dirtyPartitions([{ topic: "a", partition: 0 }]));
    take(first!);
    expect(take(newer!).kind).toBe("applied");
    expect(take(late!).kind).toBe("superseded");
  });

  test("changes before a full update, from an older controller, or for another registration are refused", () => {
    const state = withTopic(emptyState, topicOf("a", 1, 1));
    const { updates, take } = stream();
    const [early] = updates(state, dirtyTopicConfig("a"));
    expect(take(early!)).toMatchObject({ kind: "refused", error: "INVALID_REQUEST" });
    const [full] = updates(state, allDirty);
    expect(take({ ...full!, brokerEpoch: 5 })).toMatchObject({ error: "STALE_BROKER_EPOCH" });
    take(full!);
    expect(take({ ...full!, controllerEpoch: 2, sequence: 50 })).toMatchObject({ error: "STALE_CONTROLLER_EPOCH" });
    expect(take({ ...full!, controllerEpoch: 4, full: false, sequence: 51 })).toMatchObject({ error: "INVALID_REQUEST" });
  });
});

describe("the receiver", () => {
  function receiver(roles: Partial<RoleSink> = {}, seen = { controllerEpoch: -1, note: async (_epoch: number) => {} }) {
    const calls: string[] = [];
    const images = new ImageStore("cluster");
    images.onChange((image) => calls.push(`image with ${[...image.topics.values()].map(({ id }) => id)}`));
    const view = { ownEpoch: brokerEpoch };
    const sink: RoleSink = {
      assign: async (replicas: readonly AssignedReplica[]) => {
        calls.push(`assign ${replicas.map((replica) => replica.topicId)}`);
      },
      withdraw: async (replicas) => void calls.push(`withdraw ${replicas.map((replica) => replica.topicId)}`),
      lookAtFollowers: () => void calls.push("look at followers"),
      forget: async (topicIds) => {
        calls.push(`forget ${[...topicIds]}`);
        return [];
      },
      updateSettings: () => {},
      standDown: () => {},
      ...roles,
    };
    const { controllerId, controllerEpoch } = stream().updates(emptyState, allDirty)[0]!;
    const coordinator = { isAway: false, terms: new Set([`${controllerId} ${controllerEpoch}`]) };
    const parts = {
      brokerId: 2,
      isPresentTerm: async ({ controllerId, controllerEpoch }: ClaimedTerm) => {
        if (coordinator.isAway) throw new Error("no server answers");
        return coordinator.terms.has(`${controllerId} ${controllerEpoch}`);
      },
      images,
      roles: sink,
      view,
      seen,
      localReplicas: () => [],
      resolveSettings: settingsResolver(2, {}),
      log: silentLogger,
    };
    const { handle } = new UpdateReceiver(parts);
    const send = async (update: MetadataUpdateRequest) => (await handle(update, Buffer.alloc(0), "test")).body;
    return { calls, images, view, send, coordinator };
  }

  test("the old log goes before the new topic is seen, and roles are taken after", async () => {
    const { calls, send } = receiver();
    const { updates } = stream();
    const first = withTopic(emptyState, topicOf("a", 1, 1));
    await send(updates(first, allDirty)[0]!);
    const second = withTopic(withoutTopic(first, "a"), topicOf("a", 2, 1));
    const dirty = mergeDirty(
      { ...nothingDirty, deletedTopics: new Map([[topicId(1), "a"]]) },
      dirtyPartitions([{ topic: "a", partition: 0 }]),
    );
    expect(await send(updates(second, dirty)[0]!)).toEqual({ error: "NONE", message: "", keptTopics: [] });
    expect(calls.slice(3)).toEqual([`withdraw ${topicId(1)}`, `forget ${topicId(1)}`, `image with ${topicId(2)}`, `assign ${topicId(2)}`]);
  });

  test("a controller that the coordinator does not know is not obeyed, whatever epoch it names", async () => {
    const { calls, send, coordinator } = receiver();
    const [update] = stream().updates(emptyState, allDirty);
    const wipe = { ...update!, controllerEpoch: 2 ** 31 - 1, sequence: 0, full: true, topics: [] };
    expect(await send(wipe)).toMatchObject({
      error: "NOT_CONTROLLER",
      message: expect.stringContaining("not the controller of epoch 2147483647"),
    });
    coordinator.isAway = true;
    expect((await send(update!)).error, "nor is one that nobody can ask about").toBe("BROKER_NOT_AVAILABLE");
    expect(calls).toEqual([]);
    coordinator.isAway = false;
    expect((await send(update!)).error).toBe("NONE");
    coordinator.isAway = true;
    expect((await send({ ...update!, sequence: update!.sequence + 1 })).error, "asked about once").toBe("NONE");
    expect((await send({ ...update!, controllerId: 99 })).error, "another in the same epoch").toBe("BROKER_NOT_AVAILABLE");
  });

  test("nobody tells a broker anything that is not registered", async () => {
    const { calls, send, view } = receiver();
    view.ownEpoch = -1;
    const [update] = stream().updates(emptyState, allDirty);
    expect((await send({ ...update!, brokerEpoch: -1 })).error).toBe("STALE_BROKER_EPOCH");
    expect(calls).toEqual([]);
  });

  test("a registration that ends while roles are given up takes no new ones, and the next one starts with a full update", async () => {
    const { calls, images, view, send } = receiver({
      withdraw: async () => {
        view.ownEpoch = -1;
      },
    });
    const { updates } = stream();
    const first = withTopic(emptyState, topicOf("a", 1, 1));
    await send(updates(first, allDirty)[0]!);
    const gone = updates(withoutTopic(first, "a"), { ...nothingDirty, deletedTopics: new Map([[topicId(1), "a"]]) });
    expect((await send(gone[0]!)).error).toBe("STALE_BROKER_EPOCH");
    expect(images.current.topics.has("a")).toBe(true);
    expect(calls.filter((call) => call.startsWith("assign"))).toHaveLength(1);
    view.ownEpoch = brokerEpoch;
    expect((await send(updates(first, dirtyTopicConfig("a"))[0]!)).error).toBe("INVALID_REQUEST");
  });

  test("the controller's epoch is on the disk before anything is done or answered, and an older one than any life has seen is refused", async () => {
    const noted = Promise.withResolvers<void>();
    const seen = { controllerEpoch: 2, note: (epoch: number) => (epoch > 2 ? noted.promise : Promise.resolve()) };
    const { calls, images, send } = receiver({}, seen);
    const { updates } = stream();
    const first = updates(withTopic(emptyState, topicOf("a", 1, 1)), allDirty)[0]!;
    expect((await send({ ...first, controllerEpoch: 1 })).error).toBe("STALE_CONTROLLER_EPOCH");
    let isAnswered = false;
    const answer = send({ ...first, controllerEpoch: 3 }).then((body) => {
      isAnswered = true;
      return body;
    });
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect([isAnswered, calls, images.current.topics.size]).toEqual([false, [], 0]);
    noted.resolve();
    expect((await answer).error).toBe("NONE");
    expect(images.current.controllerEpoch).toBe(3);
  });

  test("updates are taken one after the other, and no more than a bounded number waits", async () => {
    let release = () => {};
    const blocked = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { send } = receiver({ assign: () => blocked });
    const { updates } = stream();
    const state = withTopic(emptyState, topicOf("a", 1, 1));
    const answers = Array.from({ length: 20 }, () => send(updates(state, allDirty)[0]!));
    release();
    const errors = (await Promise.all(answers)).map(({ error }) => error);
    expect(errors.filter((error) => error === "NONE")).toHaveLength(16);
    expect(errors.filter((error) => error === "BROKER_NOT_AVAILABLE")).toHaveLength(4);
  });
});
