import type { BrokerId } from "../../protocol/base/ids.ts";
import { encodeJson, int32Max, JsonNode, MalformedZnode } from "./json.ts";

/** What `/controller` says. */
export interface ControllerHolder {
  readonly brokerId: BrokerId;
  /** When it was elected, milliseconds since 1970. */
  readonly timestampMs: number;
}

export function encodeController({ brokerId, timestampMs }: ControllerHolder): Buffer {
  return encodeJson({ version: 1, brokerid: brokerId, timestamp: String(timestampMs) });
}

/** Throws MalformedZnode. */
export function decodeController(path: string, data: Buffer): ControllerHolder {
  const json = JsonNode.parse(path, data);
  const timestamp = json.textOrNull("timestamp");
  return {
    brokerId: json.integer("brokerid", { min: 0, max: int32Max }),
    timestampMs: timestamp !== null && /^\d{1,15}$/.test(timestamp) ? Number(timestamp) : -1,
  };
}

/** `/controller_epoch` holds a decimal number and nothing else. */
export function encodeControllerEpoch(epoch: number): Buffer {
  return Buffer.from(String(epoch));
}

/** Throws MalformedZnode. */
export function decodeControllerEpoch(path: string, data: Buffer): number {
  const text = data.toString("utf8");
  if (!/^\d{1,10}$/.test(text) || Number(text) > int32Max) throw new MalformedZnode(path, `it is no epoch: "${text.slice(0, 50)}"`);
  return Number(text);
}
