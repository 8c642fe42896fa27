import type { StoredRecord } from "../end/stored-log.ts";
import { recordId, type SentEvent, type WriteEvent } from "../history/events.ts";
import {
  type Check,
  disturbances,
  type Evidence,
  keyOf,
  ofKind,
  oneReplicaOfEach,
  type Violation,
  writersIn,
  writesByPartition,
} from "./evidence.ts";

/** What one partition was sent, and what it has at the end. */
interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly writes: readonly WriteEvent[];
  readonly records: readonly StoredRecord[];
  readonly offsetsOf: ReadonlyMap<string, readonly number[]>;
}

function partitionsOf({ events, logs }: Evidence): Partition[] {
  const replicas = oneReplicaOfEach(logs);
  return [...writesByPartition(events)].flatMap(([key, writes]) => {
    const [{ topic, partition }] = writes as [WriteEvent];
    const records = replicas.get(key)?.records ?? [];
    const offsetsOf = new Map<string, number[]>();
    for (const { id, offset } of records) {
      const offsets = offsetsOf.get(id);
      if (offsets === undefined) offsetsOf.set(id, [offset]);
      else offsets.push(offset);
    }
    return [{ topic, partition, writes, records, offsetsOf }];
  });
}

function violation(check: string, what: string, write: WriteEvent): Violation {
  const { topic, partition, writer, seq } = write;
  return { check, what: `${topic}-${partition}: ${what}`, from: write.sentAt, to: write.at, about: { topic, partition, writer, seq } };
}

const nameOf = ({ writer, partition, seq }: WriteEvent) => recordId(writer, partition, seq);

/**
 * A record acknowledged with acks=all is in the log, where it was said to be. With acks=1 it is, too, unless a fault went on, or the
 * leadership of its partition moved, planned or not, when it was sent or so soon after (`unreplicatedMs`) that the leader may have been
 * replaced while it alone had the record.
 */
export const acknowledgedIsPresent: Check = (evidence) => {
  const [writers, faults] = [writersIn(evidence.events), disturbances(evidence.events)];
  const moves = Map.groupBy(ofKind(evidence.events, "leader"), keyOf);
  const mayBeLost = (write: WriteEvent) => {
    const until = write.at + evidence.limits.unreplicatedMs;
    const isDisturbed = faults.some(({ from, to }) => until >= from && write.sentAt <= to);
    const isMoved = moves.get(keyOf(write))?.some(({ at }) => at >= write.sentAt && at <= until) ?? false;
    return writers.get(write.writer)?.acks === 1 && (isDisturbed || isMoved);
  };
  return partitionsOf(evidence).flatMap(({ writes, offsetsOf }) =>
    writes.flatMap((write) => {
      if (write.outcome !== "acknowledged") return [];
      const offsets = offsetsOf.get(nameOf(write)) ?? [];
      if (mayBeLost(write)) return [];
      if (offsets.length === 0) return [violation("acknowledged is present", `${nameOf(write)} was acknowledged and is not there`, write)];
      if (write.offset === null || write.offset < 0 || offsets.includes(write.offset)) return [];
      const where = `${nameOf(write)} was acknowledged at ${write.offset} and is at ${offsets.join(", ")}`;
      return [violation("acknowledged is present", where, write)];
    }),
  );
};

/** An idempotent producer's record is in the log at most once, acknowledged or not. */
export const idempotentIsOnce: Check = (evidence) => {
  const writers = writersIn(evidence.events);
  return partitionsOf(evidence).flatMap(({ writes, offsetsOf }) =>
    writes.flatMap((write) => {
      const offsets = offsetsOf.get(nameOf(write)) ?? [];
      if (offsets.length < 2 || !writers.get(write.writer)?.isIdempotent) return [];
      return [violation("idempotent is once", `${nameOf(write)} is there ${offsets.length} times: at ${offsets.join(", ")}`, write)];
    }),
  );
};

/** What is in the log was sent, to this partition. */
export const nothingFromNowhere: Check = (evidence) =>
  partitionsOf(evidence).flatMap(({ topic, partition, writes, records }) => {
    const sent = new Set(writes.map(nameOf));
    return records
      .filter(({ id }) => !sent.has(id))
      .map(({ id, offset }) => ({
        check: "nothing from nowhere",
        what: `${topic}-${partition}: ${id} at ${offset} was not sent there`,
        from: 0,
        to: 0,
        about: { topic, partition, offset },
      }));
  });

/**
 * Of each producer, the acknowledged records of a partition first appear in the order in which they were sent. A record without
 * acknowledgement may have been given up, and arrive late.
 */
export const orderIsKept: Check = (evidence) =>
  partitionsOf(evidence).flatMap(({ writes, offsetsOf }) =>
    [...Map.groupBy(writes, ({ writer }) => writer).values()].flatMap((ofWriter) => {
      const found: Violation[] = [];
      let last = { offset: -1, name: "" };
      for (const write of ofWriter.toSorted((a, b) => a.seq - b.seq)) {
        const [offset] = offsetsOf.get(nameOf(write)) ?? [];
        if (offset === undefined || write.outcome !== "acknowledged") continue;
        if (offset <= last.offset)
          found.push(
            violation("order is kept", `${nameOf(write)} is at ${offset}, and ${last.name}, sent before it, at ${last.offset}`, write),
          );
        last = { offset, name: nameOf(write) };
      }
      return found;
    }),
  );

/**
 * Of every number that a producer gave out the outcome is told: otherwise the history is not complete, and proves nothing. A record whose
 * sending never comes to an end is such a hole, however long the client was given.
 */
export const historyIsComplete: Check = ({ events }) =>
  [...Map.groupBy(ofKind(events, "write", "sent"), (event) => `${event.writer} ${keyOf(event)}`).values()].flatMap(
    (ofWriter): Violation[] => {
      const [first, last] = [ofWriter[0], ofWriter.at(-1)];
      const [missing, ...others] = missingNumbers(ofWriter);
      if (first === undefined || last === undefined || missing === undefined) return [];
      const { writer, topic, partition } = first;
      const more = others.length === 0 ? "" : `, nor of ${others.length} more`;
      const what = `${keyOf(first)}: nothing is told of number ${missing} of ${writer}${more}`;
      return [{ check: "the history is complete", what, from: first.at, to: last.at, about: { writer, topic, partition } }];
    },
  );

/** Where it was not told how many there were, as many as have an outcome. */
function missingNumbers(events: readonly (WriteEvent | SentEvent)[]): number[] {
  const numbers = new Set(events.filter((event) => event.kind === "write").map(({ seq }) => seq));
  const count = events.find((event) => event.kind === "sent")?.count ?? numbers.size;
  return Array.from({ length: count }, (_, seq) => seq).filter((seq) => !numbers.has(seq));
}
