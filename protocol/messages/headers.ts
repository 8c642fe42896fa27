import { MalformedFrame, type Reader } from "../wire/reader.ts";
import type { Writer } from "../wire/writer.ts";

/** Skips a tag section: headers have no tags that we know. */
function skipTags(reader: Reader): void {
  const count = reader.unsignedVarint();
  for (let i = 0; i < count; i++) {
    reader.unsignedVarint();
    reader.view(reader.unsignedVarint());
  }
}

/** The fixed start of every request, readable before anything is known about the rest. */
export interface RequestStart {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
}

export function readRequestStart(reader: Reader): RequestStart {
  return { apiKey: reader.int16(), apiVersion: reader.int16(), correlationId: reader.int32() };
}

/** The rest of header version 1 (client id) or, for a flexible message, 2 (and tags). The client id keeps its 16-bit length in both. */
export function readRequestHeaderRest(reader: Reader, flexible: boolean): { readonly clientId: string | null } {
  const length = reader.int16();
  if (length < -1) throw new MalformedFrame(`client id of ${length} bytes`);
  const clientId = length < 0 ? null : reader.string(length);
  if (flexible) skipTags(reader);
  return { clientId };
}

export function writeRequestHeader(writer: Writer, start: RequestStart, clientId: string | null, flexible: boolean): void {
  writer.int16(start.apiKey);
  writer.int16(start.apiVersion);
  writer.int32(start.correlationId);
  if (clientId === null) writer.int16(-1);
  else {
    const length = Buffer.byteLength(clientId);
    writer.int16(length);
    writer.text(clientId, length);
  }
  if (flexible) writer.unsignedVarint(0);
}

/** ApiVersions responses always have header 0, whatever their version: the client does not know yet what we support (KIP-511). */
export const apiVersionsKey = 18;

function responseHeaderHasTags(apiKey: number, flexible: boolean): boolean {
  return flexible && apiKey !== apiVersionsKey;
}

export function writeResponseHeader(writer: Writer, apiKey: number, correlationId: number, flexible: boolean): void {
  writer.int32(correlationId);
  if (responseHeaderHasTags(apiKey, flexible)) writer.unsignedVarint(0);
}

/** After the correlation id, which the frame's reader consumed already. */
export function skipResponseHeaderRest(reader: Reader, apiKey: number, flexible: boolean): void {
  if (responseHeaderHasTags(apiKey, flexible)) skipTags(reader);
}
