import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerOptions } from "../broker-options.ts";
import { ImageStore } from "../cluster/cluster-image.ts";
import { ClusterNoteKeeper } from "../cluster/cluster-note-keeper.ts";
import { SettingsInForce } from "../cluster/resolve-settings.ts";
import { SeenController } from "../cluster/seen-controller.ts";
import { BudgetedQuota, type ReplicationQuotas } from "../replication/replication-quota.ts";
import type { BrokerSettings } from "../runtime/config/start-settings.ts";
import type { Foundation } from "./foundation.ts";

export type Storage = ReturnType<typeof assembleStorage>;

/**
 * What this broker has on its disks and knows of the cluster: the logs, the image with its notes, the newest controller, the settings, and
 * the quotas that they set.
 */
export function assembleStorage({ settings, texts, files, clock, log }: BrokerOptions, { logs, known }: Foundation) {
  const images = new ImageStore(known.clusterId);
  const notes = new ClusterNoteKeeper({
    images,
    files,
    directories: () => logs.onlineDirectories,
    clock,
    log: log.child({ part: "cluster" }),
  });
  const seen = new SeenController({ ...known, store: (newest) => logs.noteControllerEpoch(newest) });
  const inForce = new SettingsInForce(settings.brokerId, texts, images);
  logs.limitMoves(() => inForce.now.log.moveBytesPerSecondMax);
  return { logs, images, notes, seen, inForce, quotas: replicationQuotas(settings, clock, inForce) };
}

function replicationQuotas(settings: BrokerSettings, clock: Clock, inForce: SettingsInForce): ReplicationQuotas {
  const windowMs = settings.replication.quotaWindowSeconds * 1000;
  const quota = (bytesPerSecond: () => number | null) => new BudgetedQuota(clock, { bytesPerSecond, windowMs });
  return {
    leader: quota(() => inForce.now.replication.leaderThrottledRate),
    follower: quota(() => inForce.now.replication.followerThrottledRate),
  };
}
