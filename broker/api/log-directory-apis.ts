import type { ApiName } from "../../protocol/messages/apis.ts";
import type { LogDirectoryService } from "../log/store-contract.ts";
import { alterReplicaLogDirsApi } from "./alter-replica-log-dirs.ts";
import type { ApisNamed } from "./api.ts";
import { describeLogDirsApi, type HighWatermarks } from "./describe-log-dirs.ts";

/** What is asked of this broker's log directories. Every broker answers for itself. */
export function logDirectoryApis(directories: LogDirectoryService, highWatermarks: HighWatermarks) {
  return {
    describeLogDirs: describeLogDirsApi(directories, highWatermarks),
    alterReplicaLogDirs: alterReplicaLogDirsApi(directories),
  } satisfies Partial<ApisNamed<ApiName>>;
}
