import {
  type AlterReplicaLogDirsRequest,
  type AlterReplicaLogDirsResponse,
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from "../../protocol/messages/alter-replica-log-dirs.ts";
import type { LogDirectoryService } from "../log/store-contract.ts";
import type { Api } from "./api.ts";

/**
 * Behavior: each named replica is copied to that directory of this broker while it keeps serving, and then moves there. The answer comes at
 * once; DescribeLogDirs shows the progress. A replica that this broker does not have yet will be created there: REPLICA_NOT_AVAILABLE says
 * so. A path that is not one of log.dirs is LOG_DIR_NOT_FOUND; KAFKA_STORAGE_ERROR: one of the two directories failed.
 * Version notes: 1 does not differ.
 */
export function alterReplicaLogDirsApi(
  directories: Pick<LogDirectoryService, "move">,
): Api<AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse> {
  return {
    request: alterReplicaLogDirsRequest,
    response: alterReplicaLogDirsResponse,
    async handle({ dirs }) {
      const results = new Map<string, Map<number, AlterReplicaLogDirsResponse["results"][number]["partitions"][number]>>();
      for (const { path, topics } of dirs)
        for (const { name, partitions } of topics)
          for (const partitionIndex of partitions) {
            const ofTopic = results.get(name) ?? new Map();
            results.set(name, ofTopic.set(partitionIndex, { partitionIndex, errorCode: directories.move(name, partitionIndex, path) }));
          }
      return {
        throttleTimeMs: 0,
        results: [...results].map(([topicName, partitions]) => ({ topicName, partitions: [...partitions.values()] })),
      };
    },
  };
}
