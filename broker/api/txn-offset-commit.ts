import { partitionKey, zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  addingOffsetsVersion,
  type TxnOffsetCommitRequest,
  type TxnOffsetCommitResponse,
  txnOffsetCommitRequest,
  txnOffsetCommitResponse,
} from "../../protocol/messages/txn-offset-commit.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import type { GroupMachine } from "../group/group-machine.ts";
import type { TopicErrors } from "../group/offset-requests.ts";
import type { TransactionVerifier } from "../runtime/transaction-verifier.ts";
import { AppendRoom } from "../state-machine/append-room.ts";
import type { Transaction } from "../state-machine/contract.ts";
import type { Entered } from "../state-machine/shards.ts";
import type { Ran } from "../state-machine/ticket.ts";
import type { Api, RequestContext } from "./api.ts";
import { type CommittedTopic, commitPositions } from "./committing.ts";
import type { EnteredGroups } from "./group-context.ts";
import { partitionRecord } from "./leader-hints.ts";

export interface TxnOffsetCommitParts {
  readonly groups: EnteredGroups;
  readonly images: Pick<ImageSource, "current">;
  readonly verifier: TransactionVerifier;
  /** `transaction.partition.verification.enable`, as it is now. Groups are added to transactions all the same. */
  readonly verifies: () => boolean;
  readonly room?: AppendRoom;
}

/** How the request's positions are committed, once the transaction coordinator was asked; or why not. */
type Admitted = { readonly error: null; readonly entered: Entered<GroupMachine>; readonly transaction: Transaction } | Refused;

interface Refused {
  readonly error: Exclude<KafkaErrorCode, "NONE">;
}

/**
 * Behavior: commits positions of a group in a producer's transaction: they count when the transaction is committed. Answered when the
 * in-sync replicas have them (see `commitPositions`, also for partitions that do not exist). Before that, unless the producer has something
 * open in the group's partition already, the transaction coordinator is asked whether the group is in the transaction; meanwhile a guard is
 * held, so that what arrives after the transaction's end is refused (see `TransactionGuards`).
 * Version notes: leader epochs since 2; member and generation since 3 (KIP-447), before that anybody may commit; errors that tell the
 * producer to abort since 4, older ones are told INVALID_TXN_STATE; 5 also adds the group to the transaction (KIP-890).
 */
export function txnOffsetCommitApi(parts: TxnOffsetCommitParts): Api<TxnOffsetCommitRequest, TxnOffsetCommitResponse> {
  const { images, room = new AppendRoom() } = parts;
  return {
    request: txnOffsetCommitRequest,
    response: txnOffsetCommitResponse,
    async handle(request, context) {
      const { groupId } = request;
      let admitted: Admitted | null = null;
      const commit = async (topics: readonly CommittedTopic[]): Promise<Ran<readonly TopicErrors[]>> => {
        // a topic was made in between: the producer will ask again
        const found: Admitted = admitted ?? { error: "COORDINATOR_LOAD_IN_PROGRESS" };
        if (found.error !== null) return found;
        const { entered, transaction } = found;
        const committing = { ...request, topics, transaction };
        return entered.run((machine, now) => machine.commitInTransaction(groupId, committing, now));
      };
      try {
        // once for all slices, which then follow each other as they do without a transaction: it holds as long as the guard does
        if (anyExists(request, images.current)) admitted = await admit(parts, request, context);
        const topics = request.topics.map(({ name, partitions }) => ({
          name,
          topicId: zeroTopicId,
          partitions: partitions.map((one) => ({ ...one, commitTimestamp: -1 })),
        }));
        const partitions = await commitPositions({ groupId, topics, isByName: true }, { images, room, meter: context.meter, commit });
        return { throttleTimeMs: 0, topics: request.topics.map(({ name }, i) => ({ name, partitions: partitions[i]! })) };
      } finally {
        leave(admitted);
      }
    },
  };
}

async function admit(
  { groups, verifier, verifies }: TxnOffsetCommitParts,
  { transactionalId, groupId, producerId, producerEpoch }: TxnOffsetCommitRequest,
  { apiVersion, origin }: RequestContext,
): Promise<Admitted> {
  if (groupId === "") return { error: "INVALID_GROUP_ID" };
  if (transactionalId === "" || producerId < 0 || producerEpoch < 0) return { error: "INVALID_PRODUCER_ID_MAPPING" };
  const entered = groups.enter(groupId, { producerId, producerEpoch }, origin);
  if (entered.error !== null) return entered;
  const { ref, isOpen, guard } = entered;
  const adds = apiVersion >= addingOffsetsVersion;
  const isWaived = !adds && !verifies();
  let isAdmitted = false;
  try {
    if (!isOpen && !isWaived) {
      const errors = await verifier.verify({ transactionalId, producerId, producerEpoch, partitions: [ref], adds });
      const error = refusal(errors.get(partitionKey(ref.topic, ref.partition)) ?? "COORDINATOR_NOT_AVAILABLE", apiVersion);
      if (error !== "NONE") return { error };
    }
    isAdmitted = true;
    return { error: null, entered, transaction: { producerId, producerEpoch, guard: isWaived ? "waived" : guard } };
  } finally {
    if (!isAdmitted) entered.leave();
  }
}

function leave(admitted: Admitted | null): void {
  if (admitted?.error === null) admitted.entered.leave();
}

function anyExists({ topics }: TxnOffsetCommitRequest, image: ClusterImage): boolean {
  return topics.some(({ name: topic, partitions }) =>
    partitions.some(({ partitionIndex: partition }) => partitionRecord(image, { topic, partition }) !== undefined),
  );
}

const abortableSinceVersion = 4;

/**
 * As producers know it. To them the only coordinator is the group's: they would look for another one of the group if they were told that
 * the transaction's cannot be reached, so they are told to ask again.
 */
function refusal(error: KafkaErrorCode, apiVersion: number): KafkaErrorCode {
  switch (error) {
    case "NOT_COORDINATOR":
    case "COORDINATOR_NOT_AVAILABLE":
    case "REQUEST_TIMED_OUT":
    case "NETWORK_EXCEPTION":
      return "COORDINATOR_LOAD_IN_PROGRESS";
    case "CONCURRENT_TRANSACTIONS":
      return apiVersion >= addingOffsetsVersion ? error : "COORDINATOR_LOAD_IN_PROGRESS";
    case "TRANSACTION_ABORTABLE":
      return apiVersion >= abortableSinceVersion ? error : "INVALID_TXN_STATE";
    default:
      return error;
  }
}
