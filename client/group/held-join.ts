import type { Timer } from "../../protocol/base/clock.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { DescribeGroupsResponse } from "../../protocol/messages/describe-groups.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import type { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import type { CoordinatorWaits } from "../coordinator/coordinator-waits.ts";
import type { Cluster } from "../metadata/cluster.ts";

/** A join that is answered sooner was not held back. */
const lookAfterMs = 1_000;
const lookEveryMs = 2_000;
/** A new group's first members are held back for 3 s by default (`group.initial.rebalance.delay.ms`): no reason to say anything. */
const worthTellingAfterMs = 5_000;

export interface HeldJoinParts {
  readonly cluster: Cluster;
  readonly link: CoordinatorLink;
  readonly groupId: string;
  readonly waits: CoordinatorWaits;
}

/**
 * While a join is under way, asks its coordinator now and then whether it holds it back, and tells for whom. What failed before the join
 * was taken (a coordinator that had just moved) is not what is waited for any more. Returns what ends it.
 */
export function watchHeldJoin({ cluster, link, groupId, waits }: HeldJoinParts, waiting: object): () => void {
  const { clock } = cluster.runtime;
  const sinceMs = clock.monotonicMs();
  let isOver = false;
  let timer: Timer = clock.schedule(lookAfterMs, look);
  function look(): void {
    if (isOver || cluster.isClosed) return;
    whyHeld(link, groupId)
      .then((why) => {
        if (isOver || cluster.isClosed || why === null) return;
        if (waits.isOpen || clock.monotonicMs() - sinceMs >= worthTellingAfterMs) waits.holds(waiting, why, { sinceMs });
      })
      .catch(() => undefined) // whoever joins hears of it
      .finally(() => {
        if (!isOver) timer = clock.schedule(lookEveryMs, look);
      });
  }
  return () => {
    isOver = true;
    timer.cancel();
  };
}

/** Null: it is not held back, as far as the coordinator says. */
async function whyHeld(link: CoordinatorLink, groupId: string): Promise<KafkaProtocolError | null> {
  const build = () => ({ groups: [groupId], includeAuthorizedOperations: false, includeRebalance: true });
  const errorOf = ({ groups }: DescribeGroupsResponse) => groups[0]?.errorCode ?? "UNKNOWN_SERVER_ERROR";
  const [group] = (await link.request(apis.describeGroups, build, { errorOf })).groups;
  if (group?.groupState !== "PreparingRebalance") return null;
  const awaited = group.members.filter(({ isAwaited }) => isAwaited).length;
  const forWhom = awaited === 0 ? "members to join" : `${awaited} of ${group.members.length} members to join again`;
  return new KafkaProtocolError("REBALANCE_IN_PROGRESS", `group ${groupId}`, `it is rebalancing: its coordinator waits for ${forWhom}`);
}
