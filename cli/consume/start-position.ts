import { InvalidArgumentError } from "commander";
import type { StartPosition } from "../../client/fetch/assigned-partition.ts";
import { parseDuration } from "../output/durations.ts";

/** Larger bare numbers are milliseconds since 1970 (from September 2001 on), smaller ones are offsets; `@N` is a time whatever its size. */
const timestampFrom = 1_000_000_000_000;
const isoDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** One place for all partitions, or for some of them an offset each: then only these are read. */
export type Places = StartPosition | { readonly offsets: ReadonlyMap<number, number> };

/** `0:100,3:250`, or as `parseStartPosition` has it. `nowMs`: of the wall clock. */
export function parsePlaces(text: string, nowMs: number): Places {
  if (!/^\d{1,10}:\d{1,16}(,\d{1,10}:\d{1,16})*$/.test(text)) return parseStartPosition(text, nowMs);
  const pairs = text.split(",").map((pair) => pair.split(":").map(Number) as [number, number]);
  const offsets = new Map(pairs);
  if (offsets.size < pairs.length) throw new InvalidArgumentError("it names a partition twice.");
  if ([...offsets].some(([partition, offset]) => partition >= 2 ** 31 || !Number.isSafeInteger(offset)))
    throw new InvalidArgumentError("one of the numbers is too large.");
  return { offsets };
}

/** Of one partition. Undefined: none is said for it. */
export function placeIn(places: Places, partition: number): StartPosition | undefined {
  if (typeof places !== "object" || !("offsets" in places)) return places;
  const offset = places.offsets.get(partition);
  return offset === undefined ? undefined : { offset };
}

/** The partitions that are named. Empty: none in particular. */
export function partitionsOf(places: Places | null): readonly number[] {
  return typeof places === "object" && places !== null && "offsets" in places ? [...places.offsets.keys()].sort((a, b) => a - b) : [];
}

export function parseStartPosition(text: string, nowMs: number): StartPosition {
  if (text === "beginning" || text === "end") return text;
  const number = /^(@?)(\d{1,16})$/.exec(text);
  if (number !== null) {
    const value = Number(number[2]);
    if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("that number is beyond 2^53.");
    return number[1] === "@" || value >= timestampFrom ? { timestampMs: value } : { offset: value };
  }
  if (/^-\d+[smhdw]$/.test(text)) return { timestampMs: Math.max(0, nowMs - parseDuration(text.slice(1))) };
  const timestampMs = isoDate.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(timestampMs))
    throw new InvalidArgumentError(
      "it is beginning, end, an offset, offsets of partitions as in 0:100,3:250, a time as in 2026-07-01T12:00:00Z or milliseconds since 1970, or -15m for so long ago.",
    );
  return { timestampMs };
}
