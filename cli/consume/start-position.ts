import { InvalidArgumentError } from "commander";
import type { StartPosition } from "../../client/fetch/assigned-partition.ts";

/** Larger bare numbers are milliseconds since 1970 (from September 2001 on), smaller ones are offsets; `@N` is a time whatever its size. */
const timestampFrom = 1_000_000_000_000;
const isoDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

export function parseStartPosition(text: string): StartPosition {
  if (text === "beginning" || text === "end") return text;
  const number = /^(@?)(\d{1,16})$/.exec(text);
  if (number !== null) {
    const value = Number(number[2]);
    if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("that number is beyond 2^53.");
    return number[1] === "@" || value >= timestampFrom ? { timestampMs: value } : { offset: value };
  }
  const timestampMs = isoDate.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(timestampMs))
    throw new InvalidArgumentError("it is beginning, end, an offset, a time as in 2026-07-01T12:00:00Z, or milliseconds since 1970.");
  return { timestampMs };
}
