import { zeroTopicId } from "../../protocol/base/ids.ts";
import type { TransactionMarker } from "../../protocol/peer/messages.ts";
import { TransactionGate } from "../api/transaction-gate.ts";
import type { BrokerOptions } from "../broker-options.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import type { ProducerIdSource } from "../cluster/producer-ids.ts";
import { offsetsTopic } from "../group/group-records.ts";
import { statePartitions } from "../partition/internal-topic-partitions.ts";
import { CoordinatorLink } from "../peer-api/join-transaction.ts";
import { deliverMarkers, MarkerWriter } from "../peer-api/write-markers.ts";
import type { BrokerSettings } from "../runtime/config/start-settings.ts";
import { transactionVersionOf } from "../runtime/features.ts";
import type { Markers } from "../transaction/marker-sender.ts";
import { TransactionCoordinator, type TransactionCoordinatorConfig } from "../transaction/transaction-coordinator.ts";
import { transactionStateTopic } from "../transaction/transaction-records.ts";
import type { ClusterMembership } from "./assemble-membership.ts";
import type { Partitions } from "./assemble-partitions.ts";
import type { Storage } from "./assemble-storage.ts";
import { clientMemoryBytes } from "./shares.ts";

/** What transactions stand on. */
export interface UnderTransactions
  extends Pick<Storage, "images" | "inForce">,
    Pick<ClusterMembership, "peers">,
    Pick<Partitions, "table" | "groups"> {
  readonly producerIds: ProducerIdSource;
}

export type Transactions = ReturnType<typeof assembleTransactions>;

/**
 * The coordinator of transactions, on the partitions of `__transaction_state` that this broker leads, and what leaders need of coordinators
 * wherever they are.
 */
export function assembleTransactions(
  { settings, clock, log, memoryBytes }: BrokerOptions,
  { images, inForce, peers, table, groups, producerIds }: UnderTransactions,
) {
  const { brokerId } = settings;
  const image = () => images.current;
  const writer = new MarkerWriter({
    clock,
    leaderOf: (topicId, partition) => table.leaderOf(topicId, partition),
    offsetsMarker: (partition, marker) => groups.transactions.appendMarker(partition, marker),
    offsetsTopic,
  });
  const coordinator = new TransactionCoordinator({
    partitions: { ...statePartitions(table), onLeadershipChanged: (listener) => table.onLeadershipChanged(listener) },
    cluster: {
      images,
      producerIds,
      deliver: (to, markers) =>
        deliverMarkers(
          { brokerId, image, peers, writer },
          to,
          markers.map((one) => messageOf(one, image())),
        ),
      transactionVersion: () => transactionVersionOf(images.current.features),
    },
    clock,
    log: log.child({ part: "transaction" }),
    config: transactionConfig(settings, memoryBytes),
  });
  const verifier = new CoordinatorLink({ brokerId, image, peers, stateTopic: transactionStateTopic, here: coordinator });
  const verifies = () => inForce.now.transactions.verifiesPartitions;
  const gate = new TransactionGate({ partitions: table, verifier, verifies });
  return { coordinator, writer, verifier, verifies, gate };
}

function messageOf({ kind, partitions, ...marker }: Markers, { topics }: ClusterImage): TransactionMarker {
  const named = partitions.map(({ topic, partition }) => ({ topicId: topics.get(topic)?.id ?? zeroTopicId, partition }));
  const { producerId, producerEpoch, coordinatorEpoch, transactionVersion, order } = marker;
  return { producerId, producerEpoch, coordinatorEpoch, transactionVersion, order, commits: kind === "commit", partitions: named };
}

/** Requests that may wait for the replicas at one partition. */
const waitingPerShardMax = 100_000;

/** A share of what clients' requests and answers may take, in addition to that. */
const memoryShare = 1 / 4;

function transactionConfig(settings: BrokerSettings, memoryBytes: number): TransactionCoordinatorConfig {
  const { groups, transactions } = settings;
  const { timeoutCheckMs, expirationMs, expirationCheckMs, timeoutMaxMs, loadBufferBytes } = transactions;
  return {
    machine: { timeoutCheckMs, expirationMs, expirationCheckMs },
    shard: { commitTimeoutMs: groups.commitTimeoutMs, loadBufferBytes, waitingMax: waitingPerShardMax },
    timeoutMaxMs,
    memoryBytesMax: clientMemoryBytes(settings, memoryBytes) * memoryShare,
  };
}
