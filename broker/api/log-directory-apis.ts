import type { LogDirectoryService } from "../log/directories/log-directory-service.ts";
import { alterReplicaLogDirsApi } from "./alter-replica-log-dirs.ts";
import { type Endpoint, endpoint } from "./api.ts";
import { describeLogDirsApi, type HighWatermarks } from "./describe-log-dirs.ts";

/** The APIs of this broker's log directories. Every broker answers for itself. */
export function logDirectoryEndpoints(directories: LogDirectoryService, highWatermarks: HighWatermarks): Endpoint[] {
  return [endpoint(describeLogDirsApi(directories, highWatermarks)), endpoint(alterReplicaLogDirsApi(directories))];
}
