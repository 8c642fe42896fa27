import { int, list, long, longMax } from "./definition.ts";
import { brokerSetting, withoutEffect } from "./setting.ts";
import { throttledByMoves } from "./topic-settings.ts";

/** Null: no limit. */
const limited = (bytesPerSecond: number): number | null => (bytesPerSecond === Number.MAX_SAFE_INTEGER ? null : bytesPerSecond);

/** How fast replicas that nobody waits for are copied. */
export const replicationThrottles = {
  leaderThrottledRate: brokerSetting(
    "leader.replication.throttled.rate",
    long(
      longMax,
      "Bytes a second that the broker sends, as a leader, to replicas that are not in sync, of those that a topic's `leader.replication.throttled.replicas` names. 0: none.",
      { min: 0, update: "per-broker", unit: "bytes" },
    ),
    limited,
  ),
  followerThrottledRate: brokerSetting(
    "follower.replication.throttled.rate",
    long(
      longMax,
      "Bytes a second that the broker fetches for its replicas that are not in sync, of those that a topic's `follower.replication.throttled.replicas` names. 0: none.",
      { min: 0, update: "per-broker", unit: "bytes" },
    ),
    limited,
  ),
  quotaWindowSeconds: brokerSetting(
    "replication.quota.window.size.seconds",
    int(1, "What the throttled rates do not use may be used later, but no more than they allow in this time.", { min: 1, unit: "seconds" }),
  ),
  throttledByMoves: withoutEffect(
    brokerSetting("ottla.throttled.by.moves", list("", throttledByMoves, { emptyAllowed: true, update: "per-broker" })),
  ),
};
