import type { ConfigChange } from "../../client/index.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";

/**
 * How copying is throttled, with Kafka's settings: topics list the replicas that it is about, brokers have the rates. Beside them, in the
 * same change, stands what we have added and what was there before: whoever looks later removes the one and restores the other, also when
 * the command that did it has ended. What somebody else sets meanwhile stays as it is.
 */
export const throttleMark = "ottla.throttled.by.moves";

export const sides = ["leader", "follower"] as const;
export type Side = (typeof sides)[number];

export const replicasSetting = (side: Side): string => `${side}.replication.throttled.replicas`;
export const rateSetting = (side: Side): string => `${side}.replication.throttled.rate`;

/** What a topic or broker has of its own, by name. */
export type OwnSettings = ReadonlyMap<string, string>;

/** Copies of one partition that are made: by whom, and for whom. */
export interface Copying {
  readonly partition: number;
  readonly from: readonly BrokerId[];
  readonly to: readonly BrokerId[];
}

/** Of one setting; brokers refuse longer ones. */
const textBytesMax = 30_000;

/** So that these are listed; null: the topic's own list leaves no way to. */
export function listing(copies: readonly Copying[], own: OwnSettings): readonly ConfigChange[] | null {
  const added = new Map(sides.map((side) => [side, missing(side, copies, own)]));
  const marks = sides.flatMap((side) => added.get(side)!.map((element) => `${side}:${element}`));
  if (marks.length === 0) return [];
  const isLong = [...sides.map(replicasSetting), throttleMark].some(
    (name) => (own.get(name) ?? "").length + marks.join().length > textBytesMax,
  );
  if (isLong) return listingAll(own);
  return [
    ...sides.flatMap((side) => appended(replicasSetting(side), added.get(side)!)),
    { name: throttleMark, operation: "append", value: marks.join() },
  ];
}

/** Too many to be named one by one. */
function listingAll(own: OwnSettings): readonly ConfigChange[] | null {
  const marked = elements(own.get(throttleMark));
  const isOurs = (side: Side) => elements(own.get(replicasSetting(side))).every((element) => marked.includes(`${side}:${element}`));
  if (!sides.every(isOurs)) return null;
  return [
    ...sides.map((side): ConfigChange => ({ name: replicasSetting(side), operation: "set", value: "*" })),
    { name: throttleMark, operation: "set", value: sides.map((side) => `${side}:*`).join() },
  ];
}

/** So that nothing of ours is listed any more. */
export function unlisting(own: OwnSettings): readonly ConfigChange[] {
  if (!own.has(throttleMark)) return [];
  const marked = elements(own.get(throttleMark));
  const changes = sides.flatMap((side): ConfigChange[] => {
    const name = replicasSetting(side);
    const listed = elements(own.get(name));
    const ours = listed.filter((element) => marked.includes(`${side}:${element}`));
    if (ours.length === 0) return [];
    return ours.length === listed.length ? [{ name, operation: "delete" }] : [{ name, operation: "subtract", value: ours.join() }];
  });
  return [...changes, { name: throttleMark, operation: "delete" }];
}

/** So that a broker keeps to the rate. */
export function limiting(bytesPerSecond: number, own: OwnSettings): readonly ConfigChange[] {
  const before = markOf(own);
  const rate = String(bytesPerSecond);
  if (before?.rate === rate && sides.every((side) => own.get(rateSetting(side)) === rate)) return [];
  // where we have set it before, what was there stands in the mark
  const former = (side: Side) => {
    const now = own.get(rateSetting(side)) ?? "none";
    return before === null || now !== before.rate ? now : before[side];
  };
  return [
    ...sides.map((side): ConfigChange => ({ name: rateSetting(side), operation: "set", value: rate })),
    { name: throttleMark, operation: "set", value: [`rate:${rate}`, ...sides.map((side) => `${side}:${former(side)}`)].join() },
  ];
}

/** As it was before. */
export function unlimiting(own: OwnSettings): readonly ConfigChange[] {
  const mark = markOf(own);
  if (mark === null) return [];
  const changes = sides.flatMap((side): ConfigChange[] => {
    const name = rateSetting(side);
    // somebody else has set another one, or removed ours
    if (own.get(name) !== mark.rate) return [];
    const value = mark[side];
    return [value === "none" ? { name, operation: "delete" } : { name, operation: "set", value }];
  });
  return [...changes, { name: throttleMark, operation: "delete" }];
}

function missing(side: Side, copies: readonly Copying[], own: OwnSettings): readonly string[] {
  const listed = new Set(elements(own.get(replicasSetting(side))));
  if (listed.has("*")) return [];
  const wanted = copies.flatMap(({ partition, from, to }) => (side === "leader" ? from : to).map((id) => `${partition}:${id}`));
  return [...new Set(wanted)].filter((element) => !listed.has(element));
}

function appended(name: string, added: readonly string[]): readonly ConfigChange[] {
  return added.length === 0 ? [] : [{ name, operation: "append", value: added.join() }];
}

function markOf(own: OwnSettings): (Record<Side, string> & { readonly rate: string }) | null {
  const text = own.get(throttleMark);
  if (text === undefined) return null;
  const fields = new Map(
    elements(text).map((element) => [element.slice(0, element.indexOf(":")), element.slice(element.indexOf(":") + 1)]),
  );
  const field = (name: string) => fields.get(name) ?? "none";
  return { rate: field("rate"), leader: field("leader"), follower: field("follower") };
}

function elements(text = ""): readonly string[] {
  return text.split(",").filter((element) => element !== "");
}
