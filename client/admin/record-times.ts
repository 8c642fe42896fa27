import type { TopicPartition } from "../../protocol/base/ids.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { CompressionUnavailable } from "../../protocol/records/codec.ts";
import { decompressRecords } from "../../protocol/records/compression.ts";
import { decodeBatch } from "../../protocol/records/decode-batch.ts";
import { scanBatches } from "../../protocol/records/validate-batches.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import type { FetchTarget } from "../fetch/client-fetch-session.ts";
import { fetchRequestOf, fetchVersionMax, type PartitionAnswer } from "../fetch/fetch-answer.ts";
import { askLeaders } from "../metadata/ask-leaders.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";

export interface PlaceQuery extends TopicPartition {
  readonly offset: number;
}

/** A request returns one whole batch, however little is requested; this many are in flight at each leader. */
const atOnceMax = 4;
const noSession = -1;

/**
 * The timestamp of the first record at or after each position; null: it has none, or there is no such record in the batch at that position.
 * In the order of the queries. The protocol has no request for it: a batch of each partition is fetched.
 */
export async function recordTimes(
  cluster: Cluster,
  queries: readonly PlaceQuery[],
  deadlineMs: number,
): Promise<readonly (number | null)[]> {
  const answers = await askLeaders<PlaceQuery, number | null>(cluster, queries, deadlineMs, {
    waitMs: 0,
    async ask(connection, asked, signal) {
      const found: (number | null | KafkaProtocolError)[] = [];
      for (let i = 0; i < asked.length; i += atOnceMax)
        found.push(...(await Promise.all(asked.slice(i, i + atOnceMax).map((query) => timeAt(cluster, connection, query, signal)))));
      return found;
    },
  });
  return answers.map((answer) => (answer instanceof KafkaProtocolError ? null : answer));
}

async function timeAt(
  cluster: Cluster,
  connection: BrokerConnection,
  { topic, partition, offset }: PlaceQuery,
  signal: AbortSignal,
): Promise<number | null | KafkaProtocolError> {
  const target: FetchTarget = {
    topic,
    topicId: cluster.metadata.topic(topic)?.topicId ?? zeroTopicId,
    partition,
    fetchOffset: offset,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    partitionMaxBytes: 1,
  };
  const asked = { sessionId: 0, sessionEpoch: noSession, toSend: [target], toForget: [] };
  const versionMax = fetchVersionMax([target]);
  const options = { signal, ...(versionMax === undefined ? {} : { versionMax }) };
  const answer = await connection.request(
    apis.fetch,
    () => fetchRequestOf(asked, { maxWaitMs: 0, minBytes: 0, maxBytes: 1, rackId: "" }),
    options,
  );
  const found = answer.responses[0]?.partitions[0];
  const code = answer.errorCode === "NONE" ? (found?.errorCode ?? "NONE") : answer.errorCode;
  if (code !== "NONE") return new KafkaProtocolError(code, `the record at ${offset} of ${topic}-${partition}`);
  return firstTime(found?.records ?? [], offset);
}

function firstTime(chunks: NonNullable<PartitionAnswer["records"]>, offset: number): number | null {
  const bytes = Buffer.concat(chunks);
  try {
    for (const { position, isControl } of scanBatches(bytes).batches) {
      if (isControl) continue;
      for (const record of decodeBatch(bytes, position, { decompress: decompressRecords, checkCrc: false }))
        if (record.offset >= offset) return record.timestampMs < 0 ? null : record.timestampMs;
    }
  } catch (error) {
    if (!(error instanceof MalformedFrame || error instanceof CompressionUnavailable)) throw error;
  }
  return null;
}
