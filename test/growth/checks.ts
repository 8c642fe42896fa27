import { idOf, type PartitionBook } from "./book.ts";

/** Of one partition: what its log holds from the beginning, read by a client that is not ours. In the order in which it came. */
export type StoredIds = readonly { readonly offset: number; readonly id: string }[];

const told = 5;

/** What is wrong, a sentence each; empty: nothing was lost, doubled, put out of order or made up, and the group was handed all of it. */
export function faultsOf(partition: number, { writers, read }: Readonly<PartitionBook>, stored: StoredIds): string[] {
  const faults: string[] = [];
  const say = (what: string) => faults.push(`partition ${partition}: ${what}`);
  const offsetOf = new Map<string, number>();
  for (const [index, { offset, id }] of stored.entries()) {
    if (offset !== index) say(`offset ${offset} is where ${index} belongs`);
    if (offsetOf.has(id)) say(`${id} is stored twice, at ${offsetOf.get(id)} and ${offset}`);
    offsetOf.set(id, offset);
    if (read[offset] !== id) say(`the group was handed ${read[offset] ?? "nothing"} at ${offset}, where ${id} is stored`);
  }
  if (read.length > stored.length) say(`the group was handed records up to ${read.length - 1}, beyond the end at ${stored.length}`);
  let known = 0;
  for (const [writer, acknowledged] of writers) {
    let last = -1;
    for (const [seq, offset] of acknowledged.entries()) {
      const at = offsetOf.get(idOf(writer, seq));
      if (at !== undefined) known++;
      if (offset === null) continue;
      if (at === undefined) say(`${idOf(writer, seq)} was acknowledged at ${offset}, and is not stored`);
      else if (at !== offset) say(`${idOf(writer, seq)} was acknowledged at ${offset}, and is stored at ${at}`);
      else if (at <= last) say(`${idOf(writer, seq)} is stored at ${at}, before one that was sent before it`);
      last = Math.max(last, at ?? -1);
    }
  }
  if (known < offsetOf.size) say(`${offsetOf.size - known} records are stored that nobody sent there`);
  return faults.length <= told ? faults : [...faults.slice(0, told), `partition ${partition}: and ${faults.length - told} more`];
}

/** What one broker has. */
export interface Share {
  readonly broker: number;
  readonly leaders: number;
  readonly bytes: number;
}

/** How far the worst share is from the mean, as a part of it. Leaders that cannot be divided evenly count from the nearest whole number. */
export function unevenness(shares: readonly Share[]): { readonly leaders: number; readonly bytes: number } {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const leaders = shares.map((share) => share.leaders);
  const bytes = shares.map((share) => share.bytes);
  const [fair, even] = [mean(leaders), mean(bytes)];
  const beyond = (count: number) => Math.max(0, Math.floor(fair) - count, count - Math.ceil(fair));
  return {
    leaders: Math.max(...leaders.map(beyond)) / fair,
    bytes: Math.max(...bytes.map((size) => Math.abs(size - even))) / even,
  };
}
