import { expect } from "vitest";
import { World } from "./world.ts";

export const options = { timeoutMs: 10_000, validateOnly: false };

export function topic(name: string, assignment: readonly (readonly number[])[], configs: Readonly<Record<string, string>> = {}) {
  return {
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments: assignment.map((brokerIds, partition) => ({ partition, brokerIds })),
    configs: Object.entries(configs).map(([configName, value]) => ({ name: configName, value })),
  };
}

export async function cluster(
  ids: readonly number[] = [1, 2, 3],
  worldOptions: ConstructorParameters<typeof World>[0] = {},
): Promise<World> {
  const world = new World(worldOptions);
  await world.start(...ids);
  return world;
}

export async function created(world: World, ...topics: ReturnType<typeof topic>[]) {
  const answers = await world.run(world.controller.createTopics(topics, options));
  expect(answers.map(({ error }) => error)).toEqual(topics.map(() => "NONE"));
  return answers.map(({ topicId }) => topicId);
}

/** What broker `id` thinks of a partition. */
export const seen = (world: World, id: number, name: string, partition = 0) =>
  world.node(id).images.current.topics.get(name)?.partitions[partition];
export const assigned = (world: World, id: number, topicId: string, partition = 0) =>
  world.node(id).roles.assigned.get(`${topicId}:${partition}`)?.state;
