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
  const close = spread(inTime.filter(isAbout), linesMax);
  const distance = ({ at }: Event) =>
    close.reduce((nearest, event) => Math.min(nearest, Math.abs(event.at - at)), Number.POSITIVE_INFINITY);
  const around = inTime.filter((event) => isAround(event) && !isAbout(event)).toSorted((a, b) => distance(a) - distance(b));
  return [...close, ...around.slice(0, linesMax)].toSorted((a, b) => a.at - b.at).map((event) => JSON.stringify(event));
}

/** The first and the last ones, when there are more than so many. */
function spread(events: readonly Event[], count: number): readonly Event[] {
  return events.length <= count ? events : [...events.slice(0, count / 2), ...events.slice(-count / 2)];
}
