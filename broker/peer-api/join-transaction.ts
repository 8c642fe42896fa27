import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import { partitionOfKey } from "../../protocol/base/partition-of-key.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import { type PeerHandler, type PeerRequester, PeerUnavailable } from "../runtime/peer-port.ts";
import type { TransactionVerifier, VerificationOrder } from "../runtime/transaction-verifier.ts";

/** The coordinator on this broker: an error for each partition of the order, NOT_COORDINATOR for all when it is another. */
export type JoinTransaction = (order: VerificationOrder) => Promise<readonly KafkaErrorCode[]>;

export function joinTransactionHandler(join: JoinTransaction): PeerHandler<"join-transaction"> {
  return async ({ brokerId: _, ...order }) => ({ body: { errors: await join(order) } });
}

/** The producer waits meanwhile, and tries again when it is over. */
const answerMaxMs = 5_000;

export interface CoordinatorLinkParts {
  readonly brokerId: BrokerId;
  readonly image: () => ClusterImage;
  readonly peers: PeerRequester;
  readonly stateTopic: string;
  readonly joinHere: JoinTransaction;
}

/** Finds the coordinator of a transactional id, here or on another broker. */
export class CoordinatorLink implements TransactionVerifier {
  readonly #parts: CoordinatorLinkParts;

  constructor(parts: CoordinatorLinkParts) {
    this.#parts = parts;
  }

  async verify(order: VerificationOrder): Promise<ReadonlyMap<string, KafkaErrorCode>> {
    const errors = await this.#ask(order);
    return new Map(
      order.partitions.map(({ topic, partition }, at) => [partitionKey(topic, partition), errors[at] ?? "COORDINATOR_NOT_AVAILABLE"]),
    );
  }

  async #ask(order: VerificationOrder): Promise<readonly KafkaErrorCode[]> {
    const { brokerId, image, peers, stateTopic, joinHere } = this.#parts;
    const { topics, brokers } = image();
    const partitions = topics.get(stateTopic)?.partitions ?? [];
    const leader = partitions.length === 0 ? -1 : partitions[partitionOfKey(order.transactionalId, partitions.length)]?.leader;
    if (leader === brokerId) return joinHere(order);
    const peer = brokers.get(leader ?? -1)?.peer;
    if (peer === undefined) return [];
    try {
      const { body } = await peers.request(peer, "join-transaction", { brokerId, ...order }, { timeoutMs: answerMaxMs, lane: "control" });
      return body.errors;
    } catch (error) {
      if (!(error instanceof PeerUnavailable)) throw error;
      return [];
    }
  }
}
