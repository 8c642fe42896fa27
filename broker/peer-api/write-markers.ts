import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { TransactionMarker } from "../../protocol/peer/messages.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import type { VersionedMarker } from "../log/log-contract.ts";
import type { AppendedState } from "../partition/internal-topic-partitions.ts";
import { type PeerHandler, type PeerRequester, PeerUnavailable } from "../runtime/peer-port.ts";

export interface MarkedLeader {
  readonly topic: string;
  appendMarker(marker: VersionedMarker): Outcome<AppendedState>;
}

export interface MarkerWriterParts {
  readonly clock: Clock;
  readonly leaderOf: (topicId: TopicId, partition: number) => MarkedLeader | KafkaErrorCode;
  /** Where groups keep the offsets of a transaction: they must hear of its end. By partition of `__consumer_offsets`. */
  readonly offsetsMarker: (partition: number, marker: VersionedMarker) => Outcome<AppendedState>;
  readonly offsetsTopic: string;
}

/** What is not replicated by then is answered as REQUEST_TIMED_OUT: the coordinator asks again, and the marker is known by then. */
const replicatedMaxMs = 2_000;
/** Partitions in one request, of all its markers: more would take too much of a turn of the event loop. */
export const markedPartitionsMax = 10_000;

/** Writes transactions' ends to partitions led here. */
export class MarkerWriter {
  readonly #parts: MarkerWriterParts;

  constructor(parts: MarkerWriterParts) {
    this.#parts = parts;
  }

  /** By marker and partition. NONE: every in-sync replica has it. */
  async write(markers: readonly TransactionMarker[]): Promise<readonly (readonly KafkaErrorCode[])[]> {
    let partitionsLeft = markedPartitionsMax;
    const ended = new AbortController();
    const timeout = sleep(this.#parts.clock, replicatedMaxMs, ended.signal).then(
      () => "REQUEST_TIMED_OUT" as const,
      () => "REQUEST_TIMED_OUT" as const,
    );
    const errors = markers.map(({ partitions, commits, ...marker }) => {
      const kind = commits ? ("commit" as const) : ("abort" as const);
      return Promise.all(
        partitions.map(({ topicId, partition }) => {
          partitionsLeft--;
          if (partitionsLeft < 0) return "REQUEST_TIMED_OUT" as const;
          const appended = this.#append(topicId, partition, { ...marker, kind });
          return appended.error === null ? Promise.race([appended.committed, timeout]) : appended.error;
        }),
      );
    });
    const all = await Promise.all(errors);
    ended.abort();
    return all;
  }

  #append(topicId: TopicId, partition: number, marker: VersionedMarker): Outcome<AppendedState> {
    const { leaderOf, offsetsMarker, offsetsTopic } = this.#parts;
    const leader = leaderOf(topicId, partition);
    if (typeof leader === "string") return { error: leader === "NONE" ? "NOT_LEADER_OR_FOLLOWER" : leader };
    return leader.topic === offsetsTopic ? offsetsMarker(partition, marker) : leader.appendMarker(marker);
  }
}

export function writeMarkersHandler(writer: MarkerWriter): PeerHandler<"write-markers"> {
  return async ({ markers }) => ({ body: { errors: await writer.write(markers) } });
}

export interface MarkerDeliveryParts {
  readonly brokerId: BrokerId;
  readonly image: () => ClusterImage;
  readonly peers: PeerRequester;
  readonly writer: MarkerWriter;
}

const answerMaxMs = 10_000;

/** To the leader of all of the markers' partitions. Too few answers: it did not answer. */
export async function deliverMarkers(
  { brokerId, image, peers, writer }: MarkerDeliveryParts,
  to: BrokerId,
  markers: readonly TransactionMarker[],
): Promise<readonly (readonly KafkaErrorCode[])[]> {
  if (to === brokerId) return writer.write(markers);
  const peer = image().brokers.get(to)?.peer;
  if (peer === undefined) return [];
  try {
    const { body } = await peers.request(peer, "write-markers", { brokerId, markers }, { timeoutMs: answerMaxMs, lane: "control" });
    return body.errors;
  } catch (error) {
    if (!(error instanceof PeerUnavailable)) throw error;
    return [];
  }
}
