import { InvalidArgumentError } from "commander";
import { UsageError } from "../output/command-failed.ts";

/** Where a group's positions are moved to. */
export type ResetTarget =
  | { readonly kind: "earliest" }
  | { readonly kind: "latest" }
  | { readonly kind: "offset"; readonly offset: number }
  /** The first record from then on. */
  | { readonly kind: "time"; readonly timestampMs: number }
  /** The first record from this long ago on. */
  | { readonly kind: "back"; readonly durationMs: number }
  /** This many records forward (or, if negative, back) from the group's position. */
  | { readonly kind: "shift"; readonly records: number };

export interface ResetOptions {
  readonly toEarliest?: boolean;
  readonly toLatest?: boolean;
  readonly toOffset?: number;
  readonly toDatetime?: number;
  readonly byDuration?: number;
  readonly shiftBy?: number;
}

/** The one target that was given. */
export function resetTarget({ toEarliest, toLatest, toOffset, toDatetime, byDuration, shiftBy }: ResetOptions): ResetTarget {
  const named: ResetTarget[] = [
    ...(toEarliest ? [{ kind: "earliest" } as const] : []),
    ...(toLatest ? [{ kind: "latest" } as const] : []),
    ...(toOffset === undefined ? [] : [{ kind: "offset", offset: toOffset } as const]),
    ...(toDatetime === undefined ? [] : [{ kind: "time", timestampMs: toDatetime } as const]),
    ...(byDuration === undefined ? [] : [{ kind: "back", durationMs: byDuration } as const]),
    ...(shiftBy === undefined ? [] : [{ kind: "shift", records: shiftBy } as const]),
  ];
  const [target] = named;
  if (target === undefined || named.length > 1)
    throw new UsageError("say where to, once: --to-earliest, --to-latest, --to-offset, --to-datetime, --by-duration or --shift-by");
  return target;
}

export interface PartitionRange {
  /** -1: the group has none. */
  readonly position: number;
  readonly startOffset: number;
  readonly endOffset: number;
  /** Of the first record from the target's time on; -1: there is none; null: the target is not a time. */
  readonly atTime: number | null;
}

/** The new position, always within the log. Null: not known, as the group has no position to shift. */
export function newPosition(target: ResetTarget, { position, startOffset, endOffset, atTime }: PartitionRange): number | null {
  const within = (offset: number) => Math.min(Math.max(offset, startOffset), endOffset);
  switch (target.kind) {
    case "earliest":
      return startOffset;
    case "latest":
      return endOffset;
    case "offset":
      return within(target.offset);
    case "time":
    case "back":
      return within(atTime === null || atTime < 0 ? endOffset : atTime);
    case "shift":
      return position < 0 ? null : within(position + target.records);
  }
}

const isoDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** As in 2026-07-01T12:00:00Z (without a zone: this machine's), or milliseconds since 1970. */
export function parseDatetime(text: string): number {
  const timestampMs = /^\d{1,16}$/.test(text) ? Number(text) : isoDate.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isSafeInteger(timestampMs))
    throw new InvalidArgumentError("it is a time as in 2026-07-01T12:00:00Z, or milliseconds since 1970.");
  return timestampMs;
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** ISO 8601 as in Kafka's tool (`P1DT2H30M`), or short: `90s`, `15m`, `2h`, `7d`. Milliseconds. */
export function parseDuration(text: string): number {
  const short = /^(\d{1,9})([smhdw])$/.exec(text);
  if (short !== null) return Number(short[1]) * (unitsMs[short[2] as string] as number);
  const iso = /^P(?=.)(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,3})?)S)?)?$/.exec(text);
  if (iso === null) throw new InvalidArgumentError("it is a duration as in 90s, 15m, 2h, 7d, or P1DT2H30M.");
  const [weeks, days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0)) as [number, number, number, number, number];
  return Math.round(weeks * 604_800_000 + days * 86_400_000 + hours * 3_600_000 + minutes * 60_000 + seconds * 1_000);
}

/** A topic, or some of its partitions: `orders`, `orders:0,3`. */
export interface TopicSelection {
  readonly topic: string;
  /** Null: all. */
  readonly partitions: readonly number[] | null;
}

export function collectSelection(text: string, previous: readonly TopicSelection[]): TopicSelection[] {
  const match = /^([a-zA-Z0-9._-]{1,249})(?::(\d{1,9}(?:,\d{1,9})*))?$/.exec(text);
  if (match === null) throw new InvalidArgumentError(`"${text}" is no TOPIC or TOPIC:0,1,2.`);
  const [, topic = "", numbers] = match;
  return [...previous, { topic, partitions: numbers === undefined ? null : [...new Set(numbers.split(",").map(Number))] }];
}
