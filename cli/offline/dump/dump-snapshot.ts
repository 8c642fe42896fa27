import { decodeSnapshot } from "../../../broker/disk-format.ts";
import { atPosition, type DumpItem, damage, entry } from "./dump-item.ts";

/** A `.snapshot`: what the log knew of its producers. Kafka has a row for each, its last batch; ours has its last five, oldest first. */
export function* dumpSnapshot(content: Buffer): Generator<DumpItem> {
  const rows = decodeSnapshot(content);
  if (typeof rows === "string") return yield damage(atPosition(0), rows);
  for (const row of rows) yield entry({ ...row });
}
