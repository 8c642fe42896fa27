import { seededRandom } from "../../../protocol/base/random.ts";
import type { World } from "../world.ts";
import { BrokenLinks } from "./broken-links.ts";
import { HungDisks } from "./hung-disks.ts";
import { LaggingServers } from "./lagging-servers.ts";
import { Reassignments } from "./reassignments.ts";
import { Throttles } from "./throttles.ts";
import type { Trouble } from "./trouble.ts";
import { UnfinishedStarts } from "./unfinished-starts.ts";
import { WallClocks } from "./wall-clocks.ts";
import { WrongCoordinator } from "./wrong-coordinator.ts";

/** The troubles in the plan. */
export function troublesOf(world: World, count: (kind: string) => void): readonly Trouble[] {
  const { plan, seed } = world;
  const parts = (which: number) => ({ world, count, random: seededRandom(seed * 15_485_863 + which) });
  return [
    ...(plan.areClocksSet ? [new WallClocks(parts(1))] : []),
    ...(plan.doStartsFail ? [new UnfinishedStarts(parts(2))] : []),
    ...(plan.hasLaggingServers ? [new LaggingServers(parts(3))] : []),
    ...(plan.isCoordinatorLost ? [new WrongCoordinator(parts(4))] : []),
    ...(plan.doLinksBreak ? [new BrokenLinks(parts(5))] : []),
    ...(plan.doDisksHang ? [new HungDisks(parts(6))] : []),
    ...(plan.arePartitionsMoved ? [new Reassignments(parts(7))] : []),
    ...(plan.isThrottled ? [new Throttles(parts(8))] : []),
  ];
}

/** What they count. */
export const troubleKinds: readonly string[] = [
  "setClock",
  "stopEarly",
  "portInUse",
  "serverLags",
  "serverDown",
  "sessionMoves",
  "olderCoordinator",
  "emptyCoordinator",
  "brokenLinks",
  "hungDisk",
  "reassign",
  "cancelReassignment",
  "throttle",
];
