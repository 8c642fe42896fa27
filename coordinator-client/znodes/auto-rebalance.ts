import type { BrokerId } from "../../protocol/base/ids.ts";
import { encodeJson, JsonNode } from "./json.ts";

/** What `/admin/ottla_auto_rebalance` says (ours, not Kafka's): what the next controller could not tell from the assignments. */
export interface AutoRebalanceNote {
  /** Brokers that had next to nothing, and have not been given all of their share. */
  readonly filling: readonly BrokerId[];
  /** When somebody last cancelled a reassignment, milliseconds since 1970; null: nobody did. */
  readonly cancelledAtMs: number | null;
}

export const emptyAutoRebalanceNote: AutoRebalanceNote = { filling: [], cancelledAtMs: null };

export function encodeAutoRebalanceNote({ filling, cancelledAtMs }: AutoRebalanceNote): Buffer {
  return encodeJson({ version: 1, filling, ...(cancelledAtMs === null ? {} : { cancelled: cancelledAtMs }) });
}

/** Throws MalformedZnode. */
export function decodeAutoRebalanceNote(path: string, data: Buffer): AutoRebalanceNote {
  const json = JsonNode.parse(path, data);
  return {
    filling: json.integers("filling", { min: 0 }),
    cancelledAtMs: json.has("cancelled") ? json.integer("cancelled", { min: 0 }) : null,
  };
}
