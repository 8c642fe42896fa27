import type { ReadEvent } from "../history/events.ts";
import { type Check, keyOf, ofKind, oneReplicaOfEach, type Violation } from "./evidence.ts";

function violation(check: string, what: string, read: ReadEvent, earlier: ReadEvent | null = null): Violation {
  const { topic, partition, offset } = read;
  return { check, what: `${topic}-${partition}: ${what}`, from: earlier?.at ?? read.at, to: read.at, about: { topic, partition, offset } };
}

/** An offset has one value, whoever reads it whenever, and the files at the end. */
export const oneValuePerOffset: Check = ({ events, logs }) => {
  const seen = new Map<string, Map<number, ReadEvent>>();
  const found: Violation[] = [];
  for (const read of ofKind(events, "read")) {
    const ofPartition = seen.get(keyOf(read)) ?? new Map<number, ReadEvent>();
    seen.set(keyOf(read), ofPartition);
    const first = ofPartition.get(read.offset);
    if (first === undefined) ofPartition.set(read.offset, read);
    else if (first.hash !== read.hash) {
      const what = `at ${read.offset} ${first.reader} saw ${first.id} (${first.hash}), and ${read.reader} ${read.id} (${read.hash})`;
      found.push(violation("one value per offset", what, read, first));
    }
  }
  for (const log of logs) {
    for (const { offset, id, hash } of log.records) {
      const first = seen.get(keyOf(log))?.get(offset);
      if (first === undefined || first.hash === hash) continue;
      const what = `at ${offset} ${first.reader} saw ${first.id} (${first.hash}), and broker ${log.broker} has ${id} (${hash})`;
      found.push(violation("one value per offset", what, first));
    }
  }
  return found;
};

/** What a consumer has seen was committed, whoever acknowledged it or not: it is in the log for good. */
export const whatWasReadStays: Check = ({ events, logs }) => {
  const ends = new Map([...oneReplicaOfEach(logs)].map(([key, { records }]) => [key, new Set(records.map(({ offset }) => offset))]));
  const lost = ofKind(events, "read").filter((read) => ends.get(keyOf(read))?.has(read.offset) === false);
  return lost.map((read) => violation("what was read stays", `${read.reader} read ${read.id} at ${read.offset}, which is gone`, read));
};

/** A reader is handed each offset once, in order, without holes: nothing compacts or deletes here. */
export const readsAreDense: Check = ({ events }) => {
  const last = new Map<string, ReadEvent>();
  const found: Violation[] = [];
  for (const read of ofKind(events, "read")) {
    const key = `${read.reader} ${keyOf(read)}`;
    const before = last.get(key);
    const expected = before === undefined ? 0 : before.offset + 1;
    if (read.offset !== expected)
      found.push(violation("reads are dense", `${read.reader} was handed ${read.offset} where ${expected} was next`, read, before ?? null));
    last.set(key, read);
  }
  return found;
};
