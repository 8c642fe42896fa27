import type { ApiName } from "../../protocol/messages/apis.ts";
import type { ImageSource } from "../cluster/cluster-image.ts";
import { AppendRoom } from "../state-machine/append-room.ts";
import type { ApisNamed } from "./api.ts";
import { consumerGroupDescribeApi } from "./consumer-group-describe.ts";
import { consumerGroupHeartbeatApi } from "./consumer-group-heartbeat.ts";
import { deleteGroupsApi } from "./delete-groups.ts";
import { describeGroupsApi } from "./describe-groups.ts";
import type { GroupService } from "./group-context.ts";
import { heartbeatApi } from "./heartbeat.ts";
import { joinGroupApi } from "./join-group.ts";
import { leaveGroupApi } from "./leave-group.ts";
import { listGroupsApi } from "./list-groups.ts";
import { offsetCommitApi } from "./offset-commit.ts";
import { offsetDeleteApi } from "./offset-delete.ts";
import { offsetFetchApi } from "./offset-fetch.ts";
import { syncGroupApi } from "./sync-group.ts";

/** What is asked of a group coordinator. */
export function groupApis(groups: GroupService, images: ImageSource) {
  const room = new AppendRoom();
  return {
    joinGroup: joinGroupApi(groups),
    syncGroup: syncGroupApi(groups),
    heartbeat: heartbeatApi(groups),
    leaveGroup: leaveGroupApi(groups),
    offsetCommit: offsetCommitApi(groups, images, room),
    offsetFetch: offsetFetchApi(groups),
    offsetDelete: offsetDeleteApi(groups, images, room),
    describeGroups: describeGroupsApi(groups),
    listGroups: listGroupsApi(groups),
    deleteGroups: deleteGroupsApi(groups, room),
    consumerGroupHeartbeat: consumerGroupHeartbeatApi(groups),
    consumerGroupDescribe: consumerGroupDescribeApi(groups),
  } satisfies Partial<ApisNamed<ApiName>>;
}
