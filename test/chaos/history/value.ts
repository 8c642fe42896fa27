import { createHash } from "node:crypto";
import { recordId } from "./events.ts";

const hashChars = 16;
const paddingMax = 300;

/** A record's value: its name, and padding whose length and contents follow from its number. */
export function recordValue(writer: string, partition: number, seq: number): string {
  const length = (seq * 7919 + partition * 31) % paddingMax;
  return `${recordId(writer, partition, seq)} ${String(seq % 10).repeat(length)}`;
}

export function idOf(value: string): string {
  const blank = value.indexOf(" ");
  return blank < 0 ? value : value.slice(0, blank);
}

export function hashOf(value: string | Uint8Array): string {
  return createHash("sha1").update(value).digest("hex").slice(0, hashChars);
}
