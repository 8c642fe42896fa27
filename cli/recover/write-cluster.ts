import { type Coordinator, CoordinatorUnavailable, type WriteOperation } from "../../coordinator-client/coordinator.ts";
import { encodeClusterId } from "../../coordinator-client/znodes/cluster-id.ts";
import { encodeConfig } from "../../coordinator-client/znodes/config.ts";
import { encodeControllerEpoch } from "../../coordinator-client/znodes/controller-node.ts";
import { encodePartitionState } from "../../coordinator-client/znodes/partition-state.ts";
import * as paths from "../../coordinator-client/znodes/paths.ts";
import { encodeProducerIdBlock } from "../../coordinator-client/znodes/producer-id-block.ts";
import { encodeTopicAssignment } from "../../coordinator-client/znodes/topic-assignment.ts";
import { noBroker } from "../../protocol/base/ids.ts";
import { CommandFailed } from "../output/command-failed.ts";
import type { RecoveredTopic, RecoveryPlan } from "./recovery-plan.ts";

/** Operations in one transaction: well below the mebibyte that ZooKeeper takes. */
const operationsAtOnce = 200;

/** Why nothing may be written here; null: it is empty as far as a cluster is concerned. */
export async function occupant(coordinator: Coordinator, clusterId: string): Promise<string | null> {
  const id = await coordinator.read(paths.clusterIdPath);
  if (id !== null) return `it holds a cluster already (${paths.clusterIdPath})`;
  const brokers = (await coordinator.children(paths.brokerIdsPath))?.names ?? [];
  if (brokers.length > 0) return `brokers ${brokers.join(", ")} are registered there`;
  const begun = await coordinator.read(begunPath);
  if (begun !== null && begun.data.length > 0)
    return begun.data.equals(Buffer.from(clusterId)) ? null : "the recovery of another cluster was begun there";
  const topics = (await coordinator.children(paths.topicsPath))?.names ?? [];
  return topics.length > 0 ? `it has topics already (${topics.slice(0, 3).join(", ")}${topics.length > 3 ? ", …" : ""})` : null;
}

/** Ours: exists from the first write to the last. */
const begunPath = "/ottla_recovery";

/**
 * Writes the plan. The cluster's id comes last: brokers of the cluster do not register before it exists, so a half-written cluster is not
 * served, and may be rewritten from the start. Progress by topics.
 */
export async function writeCluster(coordinator: Coordinator, plan: RecoveryPlan, advanced: (topics: number) => void): Promise<void> {
  await coordinator.ensurePath(begunPath); // with the chroot
  await make(coordinator, [create(begunPath, Buffer.from(plan.clusterId))]);
  for (const path of paths.persistentFolders) await coordinator.ensurePath(path);
  for (const [index, topic] of plan.topics.entries()) {
    await writeTopic(coordinator, topic, plan.controllerEpoch);
    advanced(index + 1);
  }
  const configs = Object.entries(plan.brokerConfigs).map(([id, config]) =>
    create(paths.brokerConfigPath(id === "" ? null : Number(id)), encodeConfig(config)),
  );
  await make(coordinator, configs);
  const lastId = plan.firstProducerId - 1;
  const producerIds = encodeProducerIdBlock({ brokerId: 0, firstId: Math.max(0, lastId - 999), lastId });
  await make(coordinator, [
    create(paths.producerIdBlockPath, producerIds),
    create(paths.controllerEpochPath, encodeControllerEpoch(plan.controllerEpoch)),
  ]);
  await make(coordinator, [create(paths.clusterIdPath, encodeClusterId(plan.clusterId))]);
  await coordinator.write([{ kind: "delete", path: begunPath, version: -1 }]);
}

async function writeTopic(
  coordinator: Coordinator,
  { name, id, assignment, config, states }: RecoveredTopic,
  controllerEpoch: number,
): Promise<void> {
  const assigned = {
    topicId: id,
    partitions: assignment,
    addingReplicas: new Map(),
    removingReplicas: new Map(),
    removedReplicas: new Map(),
  };
  await make(coordinator, [
    create(paths.topicConfigPath(name), encodeConfig(config)),
    create(paths.topicPath(name), encodeTopicAssignment(assigned)),
    create(paths.topicIdPath(name, id), Buffer.alloc(0)),
    create(paths.partitionsPath(name), Buffer.alloc(0)),
    ...states.flatMap((state, partition) => {
      if (state === null) return [];
      const { leaderEpoch, isr, isUnclean } = state;
      const data = encodePartitionState({
        leader: noBroker,
        leaderEpoch,
        isr,
        isrEpochs: {},
        controllerEpoch,
        leaderRecovering: isUnclean,
      });
      return [create(paths.partitionPath(name, partition), Buffer.alloc(0)), create(paths.partitionStatePath(name, partition), data)];
    }),
  ]);
}

function create(path: string, data: Buffer): WriteOperation & { readonly kind: "create" } {
  return { kind: "create", path, data, mode: "persistent" };
}

/** Nodes that exist already, from an earlier attempt, are set instead. */
async function make(coordinator: Coordinator, nodes: readonly (WriteOperation & { readonly kind: "create" })[]): Promise<void> {
  for (let at = 0; at < nodes.length; at += operationsAtOnce) {
    const some = nodes.slice(at, at + operationsAtOnce);
    const result = await coordinator.write(some);
    if (result.kind === "written") continue;
    // one by one: some of them exist
    for (const node of some) await makeOne(coordinator, node);
  }
}

async function makeOne(coordinator: Coordinator, { path, data, ...create }: WriteOperation & { readonly kind: "create" }): Promise<void> {
  const made = await coordinator.write([{ ...create, path, data }]);
  if (made.kind === "written") return;
  const there = await coordinator.read(path);
  if (there?.data.equals(data)) return;
  if (path === paths.clusterIdPath && there !== null)
    throw new CommandFailed(`another cluster has been begun in this ZooKeeper meanwhile (${path})`);
  const set = there === null ? made : await coordinator.write([{ kind: "set", path, data, version: there.version }]);
  if (set.kind === "written") return;
  const why = set.kind === "conflict" ? set.reason : set.error.message;
  throw new CoordinatorUnavailable(
    `${path} could not be written (${why}): nothing is served from what was written so far; run the command again`,
  );
}
