import { type BrokerId, partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { partitionOfKey } from "../../protocol/base/partition-of-key.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import { type PeerHandler, type PeerRequester, PeerUnavailable } from "../runtime/peer-port.ts";
import type { TransactionVerifier, VerificationOrder } from "../runtime/transaction-verifier.ts";

/** `here`: the coordinator on this broker; NOT_COORDINATOR for all of the order when it is another. */
export function joinTransactionHandler(here: TransactionVerifier): PeerHandler<"join-transaction"> {
  return async ({ brokerId: _, ...order }) => {
    const errors = await here.verify(order);
    return { body: { errors: order.partitions.map((place) => errorOf(errors, place)) } };
  };
}

function errorOf(errors: ReadonlyMap<string, KafkaErrorCode>, { topic, partition }: TopicPartition): KafkaErrorCode {
  return errors.get(partitionKey(topic, partition)) ?? "COORDINATOR_NOT_AVAILABLE";
}

/** The producer waits meanwhile, and tries again when it is over. */
const answerMaxMs = 5_000;

export interface CoordinatorLinkParts {
  readonly brokerId: BrokerId;
  readonly image: () => ClusterImage;
  readonly peers: PeerRequester;
  readonly stateTopic: string;
  readonly here: TransactionVerifier;
}

/** Finds the coordinator of a transactional id, here or on another broker. */
export class CoordinatorLink implements TransactionVerifier {
  readonly #parts: CoordinatorLinkParts;

  constructor(parts: CoordinatorLinkParts) {
    this.#parts = parts;
  }

  async verify(order: VerificationOrder): Promise<ReadonlyMap<string, KafkaErrorCode>> {
    const { brokerId, image, peers, stateTopic, here } = this.#parts;
    const { topics, brokers } = image();
    const partitions = topics.get(stateTopic)?.partitions ?? [];
    const leader = partitions.length === 0 ? -1 : partitions[partitionOfKey(order.transactionalId, partitions.length)]?.leader;
    if (leader === brokerId) return here.verify(order);
    const peer = brokers.get(leader ?? -1)?.peer;
    if (peer === undefined) return new Map();
    try {
      const { body } = await peers.request(peer, "join-transaction", { brokerId, ...order }, { timeoutMs: answerMaxMs, lane: "control" });
      return new Map(
        order.partitions.map(({ topic, partition }, at) => [
          partitionKey(topic, partition),
          body.errors[at] ?? "COORDINATOR_NOT_AVAILABLE",
        ]),
      );
    } catch (error) {
      if (!(error instanceof PeerUnavailable)) throw error;
      return new Map();
    }
  }
}
