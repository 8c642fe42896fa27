import { expect, test } from "vitest";
import { StartingLeaders } from "../../../broker/controller/state-book.ts";
import { cluster, created, options, seen, topic } from "./requests.ts";
import type { World } from "./world.ts";

const starting = (world: World, id: number) => world.node(id).images.current.startingLeaders.map(({ brokerId }) => brokerId);

test("a leader is starting until its broker has taken up what told it; who asked for the topic is answered when all know", async () => {
  const world = await cluster();
  await world.until("broker 1 is the controller", () => world.controllerId === 1);
  world.isLost = (_from, to, kind) => kind === "metadata-update" && to === 2;
  let isAnswered = false;
  const creating = world.controller
    .createTopics(
      [
        topic("t", [
          [2, 3],
          [3, 2],
        ]),
      ],
      options,
    )
    .then(() => {
      isAnswered = true;
    });
  await world.until(
    "broker 3 knows the topic, and serves its part",
    () => seen(world, 3, "t") !== undefined && starting(world, 3).join() === "2",
  );
  expect(isAnswered).toBe(false);
  world.isLost = () => false;
  await world.run(creating);
  for (const id of [1, 2, 3]) expect(starting(world, id)).toEqual([]);
  // so are those of partitions that are added; the old ones go on
  world.isLost = (_from, to, kind) => kind === "metadata-update" && to === 3;
  const adding = world.controller.createPartitions([{ name: "t", count: 3, assignments: [[3, 1]] }], options);
  await world.until("broker 2 knows them", () => seen(world, 2, "t", 2) !== undefined);
  expect(world.node(2).images.current.startingLeaders).toMatchObject([{ brokerId: 3, fromPartition: 2 }]);
  world.isLost = () => false;
  await world.run(adding);
  expect(starting(world, 2)).toEqual([]);
});

test("a leader that dies before it has served is not waited for", async () => {
  const world = await cluster();
  await world.until("broker 1 is the controller", () => world.controllerId === 1);
  world.isLost = (_from, to, kind) => kind === "metadata-update" && to === 2;
  void world.controller.createTopics([topic("t", [[2, 3]])], options);
  await world.until("broker 3 knows the topic", () => starting(world, 3).join() === "2");
  world.kill(2);
  await world.until("broker 3 leads", () => seen(world, 1, "t")?.leader === 3 && starting(world, 1).length === 0);
  await created(world, topic("u", [[1, 3]]));
});

test("only so many are remembered, the newest", () => {
  const leaders = new StartingLeaders();
  const record = {
    partition: 0,
    leader: 1,
    leaderEpoch: 0,
    isr: [1],
    isrEpochs: {},
    replicas: [1],
    stateVersion: 0,
    leaderRecovering: false,
  };
  for (let n = 0; n < 1_500; n++) leaders.begin({ name: `t${n}`, id: `id-${n}`, version: 0, config: {}, partitions: [record] }, 0, n);
  expect([leaders.current.length, leaders.current[0]?.topicId, leaders.latestNumber]).toEqual([1_000, "id-500", 1_499]);
  expect(leaders.acknowledged(2, 2_000)).toBe(false);
  expect([leaders.acknowledged(1, 1_400), leaders.current.length]).toEqual([true, 99]);
  leaders.gone([1]);
  expect(leaders.current).toEqual([]);
});
