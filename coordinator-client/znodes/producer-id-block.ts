import type { BrokerId } from "../../protocol/base/ids.ts";
import { encodeJson, JsonNode } from "./json.ts";

/** What `/latest_producer_id_block` says: the block of producer ids handed out last. */
export interface ProducerIdBlock {
  readonly brokerId: BrokerId;
  readonly firstId: number;
  /** Inclusive. */
  readonly lastId: number;
}

export function encodeProducerIdBlock({ brokerId, firstId, lastId }: ProducerIdBlock): Buffer {
  return encodeJson({ version: 1, broker: brokerId, block_start: String(firstId), block_end: String(lastId) });
}

/** Throws MalformedZnode, also for ids beyond 2^53. */
export function decodeProducerIdBlock(path: string, data: Buffer): ProducerIdBlock {
  const json = JsonNode.parse(path, data);
  const id = (name: string) => {
    const text = json.text(name);
    if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text)))
      throw json.malformed(`"${name}" is no producer id: ${text.slice(0, 50)}`);
    return Number(text);
  };
  const block = { brokerId: json.integer("broker", { min: 0 }), firstId: id("block_start"), lastId: id("block_end") };
  if (block.lastId < block.firstId) throw json.malformed("its block ends before it starts");
  return block;
}
