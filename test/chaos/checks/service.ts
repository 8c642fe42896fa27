import type { Event, FaultEvent } from "../history/events.ts";
import { type Check, keyOf, ofKind, type Violation } from "./evidence.ts";

/** A fault during which no partition may be silent for long, and until when that is judged. */
interface BoundedRound {
  readonly begins: FaultEvent;
  readonly last: FaultEvent;
  readonly silenceMaxMs: number;
}

/**
 * Where the others can go on without whom a fault hits, no partition waits for it to end: neither those that the victim led, which others
 * have to lead, nor those that it followed, whose leaders have to do without it.
 */
export const othersGoOn: Check = ({ events, limits }) => {
  const acknowledged = acknowledgementsOf(limits.steadyWriter, events);
  return boundedRounds(events).flatMap(({ begins, last, silenceMaxMs }) =>
    [...acknowledged].flatMap(([key, times]): Violation[] => {
      const { from, to } = longestSilence(times, begins.at, last.at);
      if (to - from <= silenceMaxMs) return [];
      const { round, name } = begins;
      const what = `${key} acknowledged nothing for ${(to - from).toFixed(0)} ms, ${silenceMaxMs} are allowed`;
      return [{ check: "others go on", what: `round ${round}, ${name} (${last.targets.join(", ")}): ${what}`, from, to, about: { round } }];
    }),
  );
};

/** When each partition that the writer wrote to acknowledged something, in order. */
function acknowledgementsOf(writer: string | undefined, events: readonly Event[]): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (const event of ofKind(events, "write")) {
    if (event.writer !== writer) continue;
    const times = found.get(keyOf(event)) ?? [];
    found.set(keyOf(event), times);
    if (event.outcome === "acknowledged") times.push(event.at);
  }
  return found;
}

/** Until every partition has served again; where that did not come about, until the round was given up. */
function boundedRounds(events: readonly Event[]): BoundedRound[] {
  return [...Map.groupBy(ofKind(events, "fault"), ({ round }) => round).values()].flatMap((ofRound) => {
    const begins = ofRound.find(({ moment }) => moment === "begins");
    const last = ofRound.find(({ moment }) => moment === "served") ?? ofRound.at(-1);
    if (begins?.silenceMaxMs === undefined || last === undefined) return [];
    return [{ begins, last, silenceMaxMs: begins.silenceMaxMs }];
  });
}

/** Between two acknowledgements of which the second came after `from`, or between the last one and `to`. */
function longestSilence(times: readonly number[], from: number, to: number): { readonly from: number; readonly to: number } {
  let next = firstAfter(times, from);
  let before = times[next - 1] ?? from;
  let longest = { from, to: from };
  while (before < to) {
    const time = Math.min(times[next++] ?? to, to);
    if (time - before > longest.to - longest.from) longest = { from: before, to: time };
    before = time;
  }
  return longest;
}

/** Its index; a run has many rounds, and far more acknowledgements. */
function firstAfter(times: readonly number[], moment: number): number {
  let [least, most] = [0, times.length];
  while (least < most) {
    const middle = Math.floor((least + most) / 2);
    if ((times[middle] ?? 0) > moment) most = middle;
    else least = middle + 1;
  }
  return least;
}

/** After each fault, full service is back within its bound, and all replicas get in sync again. */
export const serviceReturns: Check = ({ events }) =>
  ofKind(events, "fault")
    .filter(({ moment }) => moment === "not served" || moment === "not whole")
    .map(({ at, round, name, moment, targets, boundMs }) => {
      const missing = moment === "not served" ? "every partition served" : "every replica in sync";
      const what = `round ${round}, ${name} (${targets.join(", ")}): ${missing} was not reached within ${boundMs} ms of its end`;
      return { check: "service returns", what, from: at - boundMs, to: at, about: { round } };
    });
