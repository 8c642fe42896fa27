import type { MessagePair } from "../../protocol/messages/apis.ts";
import { writeRequestHeader } from "../../protocol/messages/headers.ts";
import { beginFrame, endFrame } from "../../protocol/wire/frame-writer.ts";

/** A request in wire form, its length before it. */
export function requestFrame<Req, Res>(
  { request }: MessagePair<Req, Res>,
  version: number,
  correlationId: number,
  clientId: string,
  value: Req,
): Buffer[] {
  const writer = beginFrame();
  writeRequestHeader(writer, { apiKey: request.apiKey, apiVersion: version, correlationId }, clientId, request.isFlexible(version));
  request.write(writer, value, version);
  return endFrame(writer);
}
