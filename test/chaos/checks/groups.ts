import type { CommitEvent, CommittedEvent, HandedEvent, OwnershipEvent } from "../history/events.ts";
import { type Check, disturbances, keyOf, ofKind, type Violation } from "./evidence.ts";

type Located = CommitEvent | CommittedEvent | OwnershipEvent | HandedEvent;
const groupKey = (event: Located) => `${event.group} ${keyOf(event)}`;

function violation(check: string, what: string, event: Located, from = event.at): Violation {
  const { group, topic, partition } = event;
  return { check, what: `${group} on ${topic}-${partition}: ${what}`, from, to: event.at, about: { group, topic, partition } };
}

/**
 * What the coordinator tells is never below what it told, or accepted as a commit, before it was asked. "Before" as outsiders can tell: the
 * one had been answered when the other was asked. Of the commits of clients that may move it back, the last one counts.
 */
export const commitsNeverMoveBack: Check = ({ events }) =>
  [...Map.groupBy(ofKind(events, "commit", "committed"), groupKey).values()].flatMap((ofPartition) => {
    const known = ofPartition.filter((event) => event.kind === "committed" || event.isAccepted);
    const byAnswer = known.toSorted((a, b) => a.at - b.at);
    const found: Violation[] = [];
    let [next, highest, since]: [number, CommitEvent | CommittedEvent | null, number] = [0, null, 0];
    for (const asked of known.filter((event) => event.kind === "committed").toSorted((a, b) => a.sentAt - b.sentAt)) {
      for (let event = byAnswer[next]; event !== undefined && event.at < asked.sentAt; event = byAnswer[++next]) {
        const isMovedBack = highest !== null && movesBack(event, highest);
        if (isMovedBack) since = event.at;
        if (highest === null || isMovedBack || (event.offset > highest.offset && event.sentAt >= since)) highest = event;
      }
      if (highest === null || asked.offset >= highest.offset || isMovedMeanwhile(known, asked, highest)) continue;
      const source = highest.kind === "commit" ? `${highest.member} committed` : "it was";
      const what = `the position is ${asked.offset}, and ${source} ${highest.offset} ${(asked.at - highest.at).toFixed(0)} ms before`;
      found.push(violation("commits never move back", what, asked, highest.sentAt));
      highest = asked; // the next one is another finding
    }
    return found;
  });

function movesBack(event: CommitEvent | CommittedEvent, highest: CommitEvent | CommittedEvent): boolean {
  return event.kind === "commit" && event.mayMoveBack === true && event.offset < highest.offset && event.sentAt > highest.at;
}

/** By a commit that was not answered yet when this was asked. */
function isMovedMeanwhile(
  known: readonly (CommitEvent | CommittedEvent)[],
  asked: CommittedEvent,
  highest: CommitEvent | CommittedEvent,
): boolean {
  return known.some(
    (event) => event.offset === asked.offset && event.at >= asked.sentAt && event.sentAt < asked.at && movesBack(event, highest),
  );
}

interface Tenure {
  readonly member: string;
  readonly from: OwnershipEvent;
  to: number;
}

function tenuresOf(events: readonly OwnershipEvent[]): Tenure[] {
  const tenures: Tenure[] = [];
  const open = new Map<string, Tenure>();
  for (const event of events) {
    const present = open.get(event.member);
    if (event.kind === "gives-up") {
      if (present !== undefined) present.to = event.at;
      open.delete(event.member);
    } else if (present === undefined) {
      const tenure = { member: event.member, from: event, to: Number.POSITIVE_INFINITY };
      open.set(event.member, tenure);
      tenures.push(tenure);
    }
  }
  return tenures;
}

/**
 * A partition has one owner in a group. A member has it from being told so until it is told, or decides, that it has not. One that cannot
 * reach its coordinator learns late that it is out, so two may believe it for as long as faults and what follows them last, and outside of
 * these for no longer than the group's session timeout.
 */
export const oneOwner: Check = ({ events, limits }) => {
  const faults = disturbances(events);
  return [...Map.groupBy(ofKind(events, "owns", "gives-up"), groupKey).values()].flatMap((ofPartition) => {
    const tenures = tenuresOf(ofPartition);
    const lastAt = events.at(-1)?.at ?? 0;
    const found: Violation[] = [];
    for (const [index, later] of tenures.entries()) {
      for (const earlier of tenures.slice(0, index)) {
        if (earlier.member === later.member) continue;
        const [from, to] = [later.from.at, Math.min(earlier.to, later.to, lastAt + limits.groupSessionMs + 1)];
        const calmMs = faults.reduce((left, fault) => left - Math.max(0, Math.min(to, fault.to) - Math.max(from, fault.from)), to - from);
        if (calmMs <= limits.groupSessionMs) continue;
        const what = `${earlier.member} and ${later.member} both had it, for ${calmMs.toFixed(0)} ms without any fault`;
        found.push(violation("one owner", what, later.from, earlier.from.at));
      }
    }
    return found;
  });
};

/**
 * Once a later owner has committed, the commits of an earlier one are refused, unless it became the owner anew. A client may repeat a
 * refused commit as the owner that it has become meanwhile, so its tenure when it got the answer counts.
 */
export const earlierOwnersAreFenced: Check = ({ events }) =>
  [...Map.groupBy(ofKind(events, "owns", "gives-up", "commit"), groupKey).values()].flatMap((ofPartition) => {
    const tenures = tenuresOf(ofPartition.filter((event) => event.kind !== "commit"));
    const commits = ofPartition.filter((event) => event.kind === "commit" && event.isAccepted) as CommitEvent[];
    const beganAt = (of: string, at: number) => tenures.findLast(({ member, from }) => member === of && from.at <= at)?.from.at ?? 0;
    const answered = commits.toSorted((a, b) => a.at - b.at).map((commit) => ({ commit, began: beganAt(commit.member, commit.sentAt) }));
    // of each member the commit, among those answered until then, that it made in its latest tenure
    const latest = new Map<string, (typeof answered)[number]>();
    let next = 0;
    return commits
      .toSorted((a, b) => a.sentAt - b.sentAt)
      .flatMap((commit) => {
        for (let one = answered[next]; one !== undefined && one.commit.at < commit.sentAt; one = answered[++next])
          if (one.began >= (latest.get(one.commit.member)?.began ?? 0)) latest.set(one.commit.member, one);
        const began = beganAt(commit.member, commit.at);
        const later = [...latest.values()].find((one) => one.commit.member !== commit.member && one.began > began)?.commit;
        if (later === undefined) return [];
        const what = `${commit.member} committed ${commit.offset} after ${later.member}, the owner since, had committed ${later.offset}`;
        return [violation("earlier owners are fenced", what, commit, later.sentAt)];
      });
  });

/** What lies before a committed position was handed to some member of the group. */
export const groupsSkipNothing: Check = ({ events }) => {
  const handed = Map.groupBy(ofKind(events, "handed"), groupKey);
  return [...Map.groupBy(ofKind(events, "committed"), groupKey)].flatMap(([key, commits]) => {
    const highest = commits.reduce((a, b) => (b.offset > a.offset ? b : a));
    let reached = 0;
    for (const { from, to } of (handed.get(key) ?? []).toSorted((a, b) => a.from - b.from))
      if (from <= reached) reached = Math.max(reached, to);
    if (reached >= highest.offset) return [];
    return [violation("groups skip nothing", `${highest.offset} is committed, and no member was handed offset ${reached}`, highest)];
  });
};
