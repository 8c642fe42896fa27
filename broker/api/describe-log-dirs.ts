import {
  type DescribeLogDirsRequest,
  type DescribeLogDirsResponse,
  describeLogDirsRequest,
  describeLogDirsResponse,
} from "../../protocol/messages/describe-log-dirs.ts";
import type { DescribedDirectory, DescribedLog, LogDirectoryService } from "../log/store-contract.ts";
import type { Api } from "./api.ts";

type DirectoryResult = DescribeLogDirsResponse["results"][number];

/** A partition's high watermark; null: this broker has no such replica in use. */
export type HighWatermarks = (topic: string, partition: number) => number | null;

/**
 * Behavior: every log directory of this broker with its logs, their sizes, and the copies being made in it; a failed one is
 * KAFKA_STORAGE_ERROR and lists nothing. Only what was requested is listed; null requests all.
 * Version notes: an error of the whole response since 3 (never one here: there are no access control lists); the file system's size and
 * free space since 4.
 */
export function describeLogDirsApi(
  directories: Pick<LogDirectoryService, "describe">,
  highWatermarks: HighWatermarks,
): Api<DescribeLogDirsRequest, DescribeLogDirsResponse> {
  return {
    request: describeLogDirsRequest,
    response: describeLogDirsResponse,
    async handle({ topics }) {
      const wanted = topics === null ? null : new Map(topics.map(({ topic, partitions }) => [topic, new Set(partitions)]));
      const isWanted = ({ topic, partition }: DescribedLog) => wanted === null || wanted.get(topic)?.has(partition) === true;
      const described = await directories.describe();
      return { throttleTimeMs: 0, errorCode: "NONE", results: described.map((one) => resultOf(one, isWanted, highWatermarks)) };
    },
  };
}

function resultOf(
  { directory, isOnline, space, logs }: DescribedDirectory,
  isWanted: (log: DescribedLog) => boolean,
  highWatermarks: HighWatermarks,
): DirectoryResult {
  const byTopic = Map.groupBy(logs.filter(isWanted), ({ topic }) => topic);
  return {
    errorCode: isOnline ? "NONE" : "KAFKA_STORAGE_ERROR",
    logDir: directory,
    topics: [...byTopic].map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(({ partition, sizeInBytes, endOffset, copyOf }) => ({
        partitionIndex: partition,
        partitionSize: sizeInBytes,
        offsetLag: copyOf === null ? lag(highWatermarks(name, partition), endOffset) : lag(copyOf.endOffset, endOffset),
        isFutureKey: copyOf !== null,
      })),
    })),
    totalBytes: space?.totalBytes ?? -1,
    usableBytes: space?.usableBytes ?? -1,
  };
}

/** -1: unknown. */
function lag(target: number | null, endOffset: number): number {
  return target === null ? -1 : Math.max(target - endOffset, 0);
}
