import type { Look } from "../output/look.ts";
import { type Cell, quantity, table } from "../output/table.ts";
import { formatAge, formatBytes, formatCount } from "../output/units.ts";
import type { PacedMove } from "./copying-pace.ts";
import { formatLimit } from "./rate.ts";

/** The JSON of one look at moves under way. */
export function moveFields(moves: readonly PacedMove[], throttle: number | null): object {
  const bytesLeft = sumOf(moves, (move) => move.bytesLeft);
  return { moves: moves.map((move) => ({ ...move, expectedMs: expectedMs(move) })), bytesLeft, throttle };
}

/** Each move, and a line about them all. */
export function movesAsText(moves: readonly PacedMove[], throttle: number | null, look: Look): string {
  const bytes = (value: number | null, unit = ""): Cell =>
    value === null ? { text: "-", isQuantity: true } : quantity(Math.round(value), (each) => `${formatBytes(each)}${unit}`, look);
  const rows = moves.map((move): Cell[] => [
    move.topic,
    move.partition,
    idsOr(move.adding),
    idsOr(move.removing),
    bytes(move.bytesLeft),
    bytes(move.bytesPerSecond, "/s"),
    { text: ageOr(expectedMs(move)), isQuantity: true },
  ]);
  return `${table(["topic", "partition", "adding", "removing", "left", "rate", "eta"], rows, look)}${summaryOf(moves, throttle)}\n`;
}

function summaryOf(moves: readonly PacedMove[], throttle: number | null): string {
  const bytesLeft = sumOf(moves, (move) => move.bytesLeft);
  const bytesPerSecond = sumOf(moves, (move) => move.bytesPerSecond);
  const left = bytesLeft === null ? [] : [`${formatBytes(bytesLeft)} left`];
  const rate = bytesPerSecond === null ? [] : [`${formatBytes(Math.round(bytesPerSecond))}/s`];
  const eta = expectedMs({ bytesLeft, bytesPerSecond });
  const limit = throttle === null ? [] : [`throttled to ${formatLimit(throttle)}`];
  return [`${formatCount(moves.length, "move")} under way`, ...left, ...rate, ...(eta === null ? [] : [formatAge(eta)]), ...limit].join(
    ", ",
  );
}

/** Null: at least one is not known. */
function sumOf(moves: readonly PacedMove[], of: (move: PacedMove) => number | null): number | null {
  return moves.reduce<number | null>((sum, move) => {
    const value = of(move);
    return sum === null || value === null ? null : sum + value;
  }, 0);
}

function expectedMs({ bytesLeft, bytesPerSecond }: Pick<PacedMove, "bytesLeft" | "bytesPerSecond">): number | null {
  if (bytesLeft === 0) return 0;
  return bytesLeft === null || bytesPerSecond === null || bytesPerSecond === 0 ? null : Math.ceil((bytesLeft / bytesPerSecond) * 1000);
}

function ageOr(ms: number | null): string {
  return ms === null ? "-" : formatAge(ms);
}

function idsOr(ids: readonly number[]): string {
  return ids.length === 0 ? "-" : ids.join(",");
}
