import { encodeJson, JsonNode } from "./json.ts";

export interface ChangedPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A notification under `/isr_change_notification`: partitions whose leader changed their in-sync set. */
export function encodeIsrChange(partitions: readonly ChangedPartition[]): Buffer {
  return encodeJson({ version: 1, partitions: partitions.map(({ topic, partition }) => ({ topic, partition })) });
}

/** Throws MalformedZnode. */
export function decodeIsrChange(path: string, data: Buffer): readonly ChangedPartition[] {
  return JsonNode.parse(path, data)
    .objects("partitions")
    .map((json) => ({ topic: json.text("topic"), partition: json.integer("partition", { min: 0 }) }));
}
