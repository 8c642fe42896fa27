import type { ImageSource } from "../cluster/contract.ts";
import { type Endpoint, endpoint } from "./api.ts";
import { AppendRoom } from "./append-room.ts";
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

/** The APIs of a group coordinator. */
export function groupEndpoints(groups: GroupService, images: ImageSource): readonly Endpoint[] {
  const room = new AppendRoom();
  return [
    endpoint(joinGroupApi(groups)),
    endpoint(syncGroupApi(groups)),
    endpoint(heartbeatApi(groups)),
    endpoint(leaveGroupApi(groups)),
    endpoint(offsetCommitApi(groups, images, room)),
    endpoint(offsetFetchApi(groups)),
    endpoint(offsetDeleteApi(groups, images, room)),
    endpoint(describeGroupsApi(groups)),
    endpoint(listGroupsApi(groups)),
    endpoint(deleteGroupsApi(groups, room)),
    endpoint(consumerGroupHeartbeatApi(groups)),
    endpoint(consumerGroupDescribeApi(groups)),
  ];
}
