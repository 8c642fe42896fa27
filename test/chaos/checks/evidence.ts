import type { StoredLog } from "../end/stored-log.ts";
import type { Event, FaultEvent, WriteEvent, WriterEvent } from "../history/events.ts";

/** What the cluster says of a partition at the end, by one source: the coordinator's tree, or one broker. */
export interface StateView {
  readonly source: string;
  /** Of each `topic-partition`. */
  readonly partitions: ReadonlyMap<string, { readonly leader: number; readonly isr: readonly number[] }>;
}

/** All that the checks judge by. */
export interface Evidence {
  readonly events: readonly Event[];
  /** Of all brokers, once they were stopped. */
  readonly logs: readonly StoredLog[];
  readonly views: readonly StateView[];
  readonly limits: Limits;
}

export interface Limits {
  readonly residentBytesMax: number;
  /** Over ten seconds, on the average. */
  readonly logLinesPerSecondMax: number;
  /** Members of groups that are not heard of for this long are out. */
  readonly groupSessionMs: number;
  /** A leader alone may lose what it acknowledged with acks=1 so long before a fault. */
  readonly unreplicatedMs: number;
  /** The one that writes to every partition so often that its acknowledgements tell when each serves. None: nothing is said of that. */
  readonly steadyWriter?: string;
}

export interface Violation {
  readonly check: string;
  readonly what: string;
  /** The moments between which it came about, as far as known. */
  readonly from: number;
  readonly to: number;
  /** Parts of events: those that have all of them are about it. */
  readonly about: Readonly<Record<string, string | number>>;
}

export type Check = (evidence: Evidence) => Violation[];

export function ofKind<K extends Event["kind"]>(events: readonly Event[], ...kinds: K[]): Extract<Event, { kind: K }>[] {
  return events.filter((event): event is Extract<Event, { kind: K }> => (kinds as string[]).includes(event.kind));
}

export function writersIn(events: readonly Event[]): ReadonlyMap<string, WriterEvent> {
  return new Map(ofKind(events, "writer").map((event) => [event.writer, event]));
}

export function keyOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`;
}

/** One replica of each partition: the first of those that are there. That they are the same is another check's. */
export function oneReplicaOfEach(logs: readonly StoredLog[]): ReadonlyMap<string, StoredLog> {
  const found = new Map<string, StoredLog>();
  for (const log of logs) if (!found.has(keyOf(log))) found.set(keyOf(log), log);
  return found;
}

/** From a fault's beginning until full service was back; what was not ends with the run. */
export function disturbances(events: readonly Event[]): readonly { readonly from: number; readonly to: number }[] {
  const found: { from: number; to: number }[] = [];
  const open = new Map<number, FaultEvent>();
  for (const event of ofKind(events, "fault")) {
    if (event.moment === "begins") open.set(event.round, event);
    else if (event.moment === "whole" || event.moment === "not whole") {
      found.push({ from: open.get(event.round)?.at ?? event.at, to: event.at });
      open.delete(event.round);
    }
  }
  return [...found, ...[...open.values()].map(({ at }) => ({ from: at, to: Number.POSITIVE_INFINITY }))];
}

/** By the partition's key, and in it by the record's number. */
export function writesByPartition(events: readonly Event[]): ReadonlyMap<string, readonly WriteEvent[]> {
  return Map.groupBy(ofKind(events, "write"), keyOf);
}
