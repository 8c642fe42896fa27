import { byTopicAndPartition } from "../protocol/base/ids.ts";
import { copyingOf, loadsOf } from "./broker-loads.ts";
import { evenCounts } from "./even-counts.ts";
import { evenWeights } from "./even-weights.ts";
import { copiesToSeat, type Ground, groundOf } from "./ground.ts";
import { chosenLeaders } from "./leaders.ts";
import type { Measure, PlanInput, Planned, PlannedMove, PlannedPartition } from "./plan-contract.ts";

/**
 * Which copies go where so that the goal is reached. The same input, in whatever order, has the same plan, and where a plan has been
 * carried out there is nothing left to move. By number of copies it is the best there is: no other plan leaves the counts more even, and
 * none that leaves them as even copies fewer bytes. By bytes and traffic it is a good one.
 */
export function planMoves(input: PlanInput): Planned {
  const ground = groundOf(input);
  const refused = reasonAgainst(ground);
  if (refused !== null) return { refused };
  const seated = seatCopies(ground, input.by);
  const leaders = chosenLeaders(ground, seated, input.goal);
  const targets = ground.movable.map(({ partition, kept, fixed }, index) => {
    const brokers = [...kept, ...[...fixed, ...seated[index]!].map((number) => ground.ids[number]!)];
    return { partition, to: inOrder(partition, brokers, leaders[index]!) };
  });
  const moves = targets.flatMap(({ partition, to }) => moveOf(partition, to) ?? []).sort(byTopicAndPartition);
  const copying = copyingOf(moves, input.partitions);
  const before = loadsOf(input.brokers, input.partitions);
  const moved = new Map(targets.map(({ partition, to }) => [partition, to]));
  const after = loadsOf(
    input.brokers,
    input.partitions.map((partition) => ({ ...partition, replicas: moved.get(partition) ?? partition.replicas })),
  );
  const room = new Map(input.brokers.map(({ id, roomBytes }) => [id, roomBytes]));
  const overfull = copying.filter(({ broker, receivesBytes }) => receivesBytes > (room.get(broker) ?? Number.POSITIVE_INFINITY));
  return {
    refused: null,
    plan: {
      moves,
      before,
      after,
      copying,
      bytes: moves.reduce((sum, { bytes }) => sum + bytes, 0),
      leaderless: ground.leaderless.map(({ topic, partition }) => ({ topic, partition })).sort(byTopicAndPartition),
      overfull: overfull.map(({ broker }) => broker),
    },
  };
}

/** How long copying takes at least when no broker receives, or sends, more than this in a second. Milliseconds. */
export function copyingMs(
  copying: readonly { readonly receivesBytes: number; readonly sendsBytes: number }[],
  bytesPerSecond: number,
): number {
  const busiest = Math.max(0, ...copying.map(({ receivesBytes, sendsBytes }) => Math.max(receivesBytes, sendsBytes)));
  return Math.ceil((busiest / bytesPerSecond) * 1000);
}

function reasonAgainst({ movable, ids }: Ground): string | null {
  if (ids.length === 0) return "no broker is left that may have copies";
  const tooMany = movable.find(({ fixed, seats }) => fixed.length + seats > ids.length);
  if (tooMany === undefined) return null;
  const { partition, fixed, seats } = tooMany;
  const brokers = ids.length === 1 ? "1 broker" : `${ids.length} brokers`;
  return `${partition.topic}-${partition.partition} is to have ${fixed.length + seats} copies, and only ${brokers} may have one`;
}

function seatCopies(ground: Ground, by: Measure): readonly (readonly number[])[] {
  switch (by) {
    case "replicas":
      return evenCounts(copiesToSeat(ground, () => 1));
    case "bytes":
      return evenWeights(
        copiesToSeat(ground, ({ bytes }) => bytes),
        ground.roomBytes,
      );
    case "traffic":
      return evenWeights(
        copiesToSeat(ground, ({ traffic }) => traffic),
        ground.roomBytes,
      );
  }
}

/** The leader, then the others in the order that they had, then those that come. */
function inOrder({ replicas }: PlannedPartition, brokers: readonly number[], leader: number): readonly number[] {
  const place = (id: number) => (id === leader ? -1 : replicas.includes(id) ? replicas.indexOf(id) : replicas.length);
  return brokers.toSorted((a, b) => place(a) - place(b) || a - b);
}

function moveOf({ topic, partition, replicas: from, bytes }: PlannedPartition, to: readonly number[]): PlannedMove | null {
  if (from.length === to.length && from.every((id, at) => id === to[at])) return null;
  const adding = to.filter((id) => !from.includes(id));
  const removing = from.filter((id) => !to.includes(id));
  return { topic, partition, from, to, adding, removing, bytes: bytes * adding.length };
}
