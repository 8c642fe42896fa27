import { InvalidArgumentError } from "commander";
import { UsageError } from "../output/command-failed.ts";

/** Where a group's positions are moved to. */
export type ResetTarget =
  | { readonly kind: "earliest" }
  | { readonly kind: "latest" }
  | { readonly kind: "offset"; readonly offset: number }
  /** One for each partition, by its key. */
  | { readonly kind: "each"; readonly offsets: ReadonlyMap<string, number> }
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

function namedTargets({ toEarliest, toLatest, toOffset, toDatetime, byDuration, shiftBy }: ResetOptions): ResetTarget[] {
  return [
    ...(toEarliest ? [{ kind: "earliest" } as const] : []),
    ...(toLatest ? [{ kind: "latest" } as const] : []),
    ...(toOffset === undefined ? [] : [{ kind: "offset", offset: toOffset } as const]),
    ...(toDatetime === undefined ? [] : [{ kind: "time", timestampMs: toDatetime } as const]),
    ...(byDuration === undefined ? [] : [{ kind: "back", durationMs: byDuration } as const]),
    ...(shiftBy === undefined ? [] : [{ kind: "shift", records: shiftBy } as const]),
  ];
}

export function hasTarget(options: ResetOptions): boolean {
  return namedTargets(options).length > 0;
}

/** The one target that was given. */
export function resetTarget(options: ResetOptions): ResetTarget {
  const named = namedTargets(options);
  const [target] = named;
  if (target === undefined || named.length > 1)
    throw new UsageError(
      "say where to, once: --to-earliest, --to-latest, --to-offset, --to-datetime, --by-duration, --shift-by or --from-file",
    );
  return target;
}

/** That of one partition. */
export type PartitionTarget = Exclude<ResetTarget, { readonly kind: "each" }>;

export function targetIn(target: ResetTarget, key: string): PartitionTarget {
  return target.kind === "each" ? { kind: "offset", offset: target.offsets.get(key) ?? 0 } : target;
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
export function newPosition(target: PartitionTarget, { position, startOffset, endOffset, atTime }: PartitionRange): number | null {
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
