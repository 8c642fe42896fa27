import type { Violation } from "../checks/evidence.ts";
import type { Event } from "../history/events.ts";

const linesMax = 24;
const marginMs = 1_000;

/** The events that a violation is about, in the time in which it came about, with the faults and elections of that time. */
export function windowOf(events: readonly Event[], { about, from, to }: Violation): readonly string[] {
  const [least, most] = from === 0 && to === 0 ? [0, Number.POSITIVE_INFINITY] : [from - marginMs, to + marginMs];
  const named = Object.entries(about);
  const isAbout = (event: Event) => {
    const fields = event as unknown as Readonly<Record<string, unknown>>;
    return named.length > 0 && named.every(([name, value]) => fields[name] === value);
  };
  const isAround = (event: Event) =>
    event.kind === "fault" ||
    event.kind === "ended" ||
    (event.kind === "leader" && (about.partition === undefined || event.partition === about.partition));
  const inTime = events.filter(({ at }) => at >= least && at <= most);
  const close = inTime.filter(isAbout);
  const around = inTime.filter((event) => isAround(event) && !isAbout(event));
  const chosen = [...nearest(close, to, linesMax), ...nearest(around, to, linesMax)].toSorted((a, b) => a.at - b.at);
  return chosen.map((event) => JSON.stringify(event));
}

/** So many of them, around a moment. */
function nearest(events: readonly Event[], to: number, count: number): readonly Event[] {
  if (events.length <= count) return events;
  const after = events.findIndex(({ at }) => at > to);
  const end = Math.min(events.length, (after < 0 ? events.length : after) + count / 4);
  return events.slice(Math.max(0, end - count), end);
}
