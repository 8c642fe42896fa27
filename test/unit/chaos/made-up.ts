import type { Evidence, Limits, StateView } from "../../chaos/checks/evidence.ts";
import type { StoredLog, StoredRecord } from "../../chaos/end/stored-log.ts";
import type {
  CommitEvent,
  CommittedEvent,
  Event,
  FaultEvent,
  HandedEvent,
  OwnershipEvent,
  ReadEvent,
  WriteEvent,
  WriterEvent,
} from "../../chaos/history/events.ts";
import { recordId } from "../../chaos/history/events.ts";

/** Histories that nobody lived through: of topic "orders", partition 0, unless said otherwise. */
const topic = "orders";
const partition = 0;

export const limits: Limits = {
  residentBytesMax: 1000,
  logLinesPerSecondMax: 5,
  groupSessionMs: 10_000,
  unreplicatedMs: 1_000,
  steadyWriter: "w",
};

export function evidence(
  events: readonly Event[],
  { logs = [], views = [] }: { readonly logs?: readonly StoredLog[]; readonly views?: readonly StateView[] } = {},
): Evidence {
  return { events: events.toSorted((a, b) => a.at - b.at), logs, views, limits };
}

export function writer(
  name: string,
  { acks = "all", isIdempotent = true }: Partial<Pick<WriterEvent, "acks" | "isIdempotent">> = {},
): WriterEvent {
  return { kind: "writer", at: 0, writer: name, acks, isIdempotent };
}

/** Sent at `seq * 100`, answered 10 ms later. */
export function write(name: string, seq: number, offset: number | null, outcome: WriteEvent["outcome"] = "acknowledged"): WriteEvent {
  return { kind: "write", at: seq * 100 + 10, writer: name, topic, partition, seq, sentAt: seq * 100, outcome, offset };
}

export function read(reader: string, offset: number, id: string, at = offset * 100 + 20): ReadEvent {
  return { kind: "read", at, reader, topic, partition, offset, id, hash: `hash of ${id}` };
}

/** Records `name:seq` from offset 0 on. */
export function log(broker: number, records: readonly (readonly [name: string, seq: number])[]): StoredLog {
  const stored = records.map(([name, seq], offset): StoredRecord => {
    const id = recordId(name, partition, seq);
    return { offset, id, hash: `hash of ${id}` };
  });
  return { broker, topic, partition, sizeBytes: records.length, digest: JSON.stringify(records), records: stored, problems: [] };
}

export function fault(moment: FaultEvent["moment"], at: number, round = 1): FaultEvent {
  return { kind: "fault", at, round, name: "kill", moment, targets: ["broker-1"], boundMs: 500 };
}

export function commit(member: string, offset: number, at: number, isAccepted = true): CommitEvent {
  return { kind: "commit", at, sentAt: at - 5, group: "g", member, topic, partition, offset, isAccepted };
}

export function committed(offset: number, sentAt: number): CommittedEvent {
  return { kind: "committed", at: sentAt + 5, sentAt, group: "g", topic, partition, offset };
}

export function ownership(kind: OwnershipEvent["kind"], member: string, at: number): OwnershipEvent {
  return { kind, at, group: "g", member, topic, partition };
}

export function handed(member: string, from: number, to: number, at: number): HandedEvent {
  return { kind: "handed", at, group: "g", member, topic, partition, from, to };
}

export function view(
  source: string,
  states: Readonly<Record<string, { readonly leader: number; readonly isr: readonly number[] }>>,
): StateView {
  return { source, partitions: new Map(Object.entries(states)) };
}
