import type { Event, ReaderEvent } from "../history/events.ts";
import { type Check, keyOf, ofKind, oneReplicaOfEach, type Violation, writesByPartition } from "./evidence.ts";

const never = { from: 0, to: 0 };

/** Where service does not return after the last fault, which is another check's, clients need not come to an end. */
function isServedAtEnd(events: readonly Event[]): boolean {
  return ofKind(events, "fault").findLast(({ moment }) => moment === "served" || moment === "not served")?.moment !== "not served";
}

/** Whatever waits for an answer gets one or gives up: every client can be closed. */
export const clientsEnd: Check = ({ events }) =>
  isServedAtEnd(events)
    ? ofKind(events, "not-ended").map(({ at, client, why }) => ({
        check: "clients end",
        what: `${client}: ${why}`,
        from: at,
        to: at,
        about: { client },
      }))
    : [];

/** Every reader and every group gets to the end of what is stored. One that stops anywhere before tells nothing that is wrong. */
export const readersReachTheEnd: Check = ({ events, logs }) => {
  if (!isServedAtEnd(events)) return [];
  const reached = reachedIn(events);
  const stored = oneReplicaOfEach(logs);
  return ofKind(events, "reader").flatMap((reader) =>
    [...writesByPartition(events)].flatMap(([key, [write]]): Violation[] => {
      const end = (stored.get(key)?.records.at(-1)?.offset ?? -1) + 1;
      const position = reached.get(`${reader.reader} ${key}`) ?? 0;
      if (write === undefined || position >= end) return [];
      const { topic, partition } = write;
      const what = `${key}: ${nameOf(reader)} was handed records up to ${position}, and the log goes on to ${end}`;
      return [{ check: "readers reach the end", what, ...never, about: { topic, partition, [aboutOf(reader)]: reader.reader } }];
    }),
  );
};

const nameOf = ({ reader, isGroup }: ReaderEvent) => (isGroup ? `group ${reader}` : reader);
const aboutOf = ({ isGroup }: ReaderEvent) => (isGroup ? "group" : "reader");

/** By reader or group and partition: before which offset it has been handed something. That there are no holes is another check's. */
function reachedIn(events: readonly Event[]): ReadonlyMap<string, number> {
  const reached = new Map<string, number>();
  for (const event of ofKind(events, "read", "handed")) {
    const [who, to] = event.kind === "read" ? [event.reader, event.offset + 1] : [event.group, event.to];
    const key = `${who} ${keyOf(event)}`;
    reached.set(key, Math.max(reached.get(key) ?? 0, to));
  }
  return reached;
}

/**
 * A reader that follows a partition from its beginning is at an offset that every leader has, and whatever fails is over some time: its
 * client tries again by itself, and has nothing to complain of.
 */
export const readsDoNotFail: Check = ({ events }) =>
  ofKind(events, "read-failed").map(({ at, reader, error }) => ({
    check: "reads do not fail",
    what: `${reader} was told: ${error}`,
    from: at,
    to: at,
    about: { reader },
  }));
