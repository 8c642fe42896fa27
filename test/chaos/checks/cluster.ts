import type { ProcessEndedEvent, SampleEvent } from "../history/events.ts";
import { type Check, keyOf, ofKind, type Violation } from "./evidence.ts";

const never = { from: 0, to: 0 };
const stormWindowMs = 10_000;
const mebibyte = 1024 * 1024;

/** All replicas of a partition are the same bytes, and their files are sound. */
export const replicasAreIdentical: Check = ({ logs }) =>
  [...Map.groupBy(logs, keyOf)].flatMap(([key, replicas]) => {
    const about = { topic: replicas[0]?.topic ?? "", partition: replicas[0]?.partition ?? 0 };
    const found: Violation[] = replicas.flatMap(({ broker, problems }) =>
      problems.map((problem) => ({ check: "replicas are sound", what: `${key} on broker ${broker}: ${problem}`, ...never, about })),
    );
    if (new Set(replicas.map(({ digest }) => digest)).size > 1) {
      const copies = replicas.map(({ broker, sizeBytes, digest }) => `broker ${broker}: ${sizeBytes} B, ${digest.slice(0, 8)}`).join("; ");
      found.push({ check: "replicas are identical", what: `${key}: ${copies}`, ...never, about });
    }
    return found;
  });

/** The coordinator and every broker tell the same leader and the same in-sync set of every partition. */
export const viewsAgree: Check = ({ views }) => {
  const [first, ...others] = views;
  if (first === undefined) return [];
  return others.flatMap((other) =>
    [...new Set([...first.partitions.keys(), ...other.partitions.keys()])].flatMap((key) => {
      const [a, b] = [told(first.partitions.get(key)), told(other.partitions.get(key))];
      if (a === b) return [];
      return [{ check: "views agree", what: `${key}: ${first.source} says ${a}, ${other.source} says ${b}`, ...never, about: {} }];
    }),
  );
};

function told(state: { readonly leader: number; readonly isr: readonly number[] } | undefined): string {
  return state === undefined ? "nothing" : `leader ${state.leader} isr ${state.isr.toSorted((a, b) => a - b).join(",")}`;
}

/** No broker ends by itself, and one that is told to stop does so in time, with nothing to complain of. */
export const endsAreAsDemanded: Check = ({ events }) =>
  ofKind(events, "ended").flatMap((event): Violation[] => {
    const { at, process, isAllowed } = event;
    const complaint = isAllowed ? null : complaintOf(event);
    return complaint === null
      ? []
      : [{ check: "ends are as demanded", what: `${process} ${complaint}`, from: at, to: at, about: { process } }];
  });

/** Null: there is none. One that is to be killed may come to its own end before. */
export function complaintOf({ demand, code, signal, wasForced }: Omit<ProcessEndedEvent, "kind" | "at" | "process" | "isAllowed">) {
  const how = signal ?? `exit code ${code}`;
  if (demand === "go on") return `ended by itself: ${how}`;
  if (wasForced) return "was told to stop, did not, and had to be killed";
  if (demand === "stop" && code !== 0) return `was told to stop, and ended with ${how}`;
  return code === null || code === 0 ? null : `was to be killed, and had ended with ${how}`;
}

export const memoryIsBounded: Check = ({ events, limits }) =>
  [...Map.groupBy(ofKind(events, "sample"), ({ process }) => process)].flatMap(([process, samples]) => {
    const { at, residentBytes } = samples.reduce((a, b) => (b.residentBytes > a.residentBytes ? b : a));
    if (residentBytes <= limits.residentBytesMax) return [];
    const what = `${process} took ${(residentBytes / mebibyte).toFixed(0)} MiB, ${limits.residentBytesMax / mebibyte} are allowed`;
    return [{ check: "memory is bounded", what, from: at, to: at, about: { process } }];
  });

/** Whatever fails, a broker says so in few lines. */
export const noErrorStorm: Check = ({ events, limits }) =>
  [...Map.groupBy(ofKind(events, "sample"), ({ process }) => process)].flatMap(([process, samples]) => {
    const worst = worstStretch(samples);
    const perSecond = (worst.lines * 1000) / stormWindowMs;
    if (perSecond <= limits.logLinesPerSecondMax) return [];
    const what = `${process} wrote ${worst.lines} lines to its log in ${stormWindowMs} ms, ${limits.logLinesPerSecondMax} a second are allowed`;
    return [{ check: "no error storm", what, from: worst.at - stormWindowMs, to: worst.at, about: { process } }];
  });

function worstStretch(samples: readonly SampleEvent[]): { readonly at: number; readonly lines: number } {
  let [first, lines, worst] = [0, 0, { at: 0, lines: 0 }];
  for (const { at, logLines } of samples) {
    lines += logLines;
    for (let oldest = samples[first]; oldest !== undefined && oldest.at <= at - stormWindowMs; oldest = samples[++first])
      lines -= oldest.logLines;
    if (lines > worst.lines) worst = { at, lines };
  }
  return worst;
}

/** A broker that notices that replicas disagree, or that it is wrong itself, says so; it does not wait for us to find out. */
export const noAlarms: Check = ({ events }) =>
  ofKind(events, "sample")
    .filter(({ alarms }) => alarms > 0)
    .map(({ at, process }) => ({
      check: "no alarms",
      what: `${process} tells in its log of replicas that disagree, or of a broken rule`,
      from: at,
      to: at,
      about: { process },
    }));
