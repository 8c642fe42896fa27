import type { AdminEvent } from "../history/events.ts";
import { type Check, ofKind, type StateView, type Violation } from "./evidence.ts";

/** A request that takes longer may have been sent again, to another broker, and its first copy may arrive at any time. */
const sentAgainAfterMs = 900;

/**
 * What was done to a topic and answered is what all views tell at the end: it is there or it is not, with so many partitions. Of a topic
 * whose last change got no answer, both are possible. One that was created anew may be gone where a deletion of that name was sent twice.
 */
export const topicsAreAsAnswered: Check = ({ events, views }) => {
  const changes = ofKind(events, "admin").filter(({ operation, outcome }) => operation !== "alter" && outcome !== "refused");
  return [...Map.groupBy(changes, ({ topic }) => topic).values()].flatMap((ofTopic) => {
    const last = ofTopic.at(-1) as AdminEvent;
    if (last.outcome !== "done") return [];
    const expected = last.operation === "delete" ? 0 : last.partitions;
    const mayBeDeletedLate = ofTopic.some(({ operation, sentAt, at }) => operation === "delete" && at - sentAt > sentAgainAfterMs);
    return views.flatMap((view) => {
      const count = partitionsIn(view, last.topic);
      if (count === expected || (count === 0 && mayBeDeletedLate)) return [];
      const what = `${view.source} knows ${count} partitions of ${last.topic}, and ${last.operation} was answered with ${expected}`;
      return [{ check: "topics are as answered", what, from: last.sentAt, to: last.at, about: { topic: last.topic } }];
    });
  });
};

function partitionsIn({ partitions }: StateView, topic: string): number {
  return [...partitions.keys()].filter((key) => key.slice(0, key.lastIndexOf("-")) === topic).length;
}

/** A topic that was created anew has nothing of the deleted one: each incarnation's records say which it was. */
export const nothingOfDeletedTopics: Check = ({ events, logs }) => {
  const incarnations = new Map<string, AdminEvent>();
  for (const event of ofKind(events, "admin")) if (event.operation === "create") incarnations.set(event.topic, event);
  return logs.flatMap(({ broker, topic, partition, records }): Violation[] => {
    const present = incarnations.get(topic);
    if (present === undefined) return [];
    const older = records.filter(({ id }) => incarnationOf(id) < present.incarnation);
    return older.map(({ id, offset }) => ({
      check: "nothing of deleted topics",
      what: `${topic}-${partition} on broker ${broker}: ${id} at ${offset} was written before incarnation ${present.incarnation}`,
      from: present.sentAt,
      to: present.at,
      about: { topic, partition },
    }));
  });
};

/** Writers to such topics are called `side#INCARNATION`. */
function incarnationOf(id: string): number {
  return Number(/#(\d+)\//.exec(id)?.[1] ?? Number.POSITIVE_INFINITY);
}
