import { Packr } from "msgpackr";
import { checkMsgpack } from "../../protocol/peer/msgpack-limits.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import type { GroupedSettings } from "../runtime/config/setting-groups.ts";

/**
 * A message between brokers: uint32 bytes that follow, uint32 bytes of the packed part, the packed part `{ id, kind, body }`, then raw
 * bytes up to the end.
 */
export interface PeerFrame {
  /** Chosen by the asking side; the answer repeats it. */
  readonly id: number;
  readonly kind: string;
  readonly body: unknown;
  readonly payload: Buffer;
}

/** Plain maps, no records: nothing that a peer sends is compiled to code, and no state is shared between links. */
const packr = new Packr({ useRecords: false, int64AsType: "number" });

const packedLengthBytes = 4;
const prefixBytes = 4 + packedLengthBytes;

/** For everything but record bytes. */
const slackBytes = 16 * 1024 * 1024;

/** The largest frame between brokers: one batch as a client may send it, on top of a full replica fetch. */
export function peerFrameMaxBytes({ network, replication }: Pick<GroupedSettings, "network" | "replication">): number {
  return Math.min(network.frameMaxBytes + replication.fetchResponseMaxBytes + slackBytes, 2 ** 31 - 1);
}

/** The payload is referenced, not copied: it must not change until sent. */
export function encodePeerFrame(id: number, kind: string, body: unknown, payload: readonly Buffer[] = []): Buffer[] {
  const packed = packr.pack({ id, kind, body });
  const prefix = Buffer.allocUnsafe(prefixBytes);
  const payloadBytes = payload.reduce((sum, chunk) => sum + chunk.length, 0);
  prefix.writeUInt32BE(packedLengthBytes + packed.length + payloadBytes, 0);
  prefix.writeUInt32BE(packed.length, packedLengthBytes);
  return [prefix, packed, ...payload];
}

/** A frame as it arrived, without its length. The payload is a view on it. Throws MalformedFrame. */
export function decodePeerFrame(frame: Buffer): PeerFrame {
  if (frame.length < packedLengthBytes) throw new MalformedFrame(`peer frame of ${frame.length} bytes`);
  const packedBytes = frame.readUInt32BE(0);
  if (packedBytes > frame.length - packedLengthBytes)
    throw new MalformedFrame(`packed part of ${packedBytes} bytes in a peer frame of ${frame.length}`);
  const packed = frame.subarray(packedLengthBytes, packedLengthBytes + packedBytes);
  checkMsgpack(packed);
  const { id, kind, body } = unpacked(packed);
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || typeof kind !== "string")
    throw new MalformedFrame("a peer frame needs a number as id and text as kind");
  return { id, kind, body, payload: frame.subarray(packedLengthBytes + packedBytes) };
}

function unpacked(packed: Buffer): Partial<Record<keyof PeerFrame, unknown>> {
  let value: unknown;
  try {
    value = packr.unpack(packed);
  } catch (error) {
    throw new MalformedFrame("msgpack that cannot be read", { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new MalformedFrame("a peer frame is a map");
  return value;
}
