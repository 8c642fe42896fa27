import type { Address } from "../../../protocol/base/transport.ts";

/** `http://host:port`; null: it is not one. */
export function parseHttpAddress(text: string): Address | null {
  const match = /^http:\/\/(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]*)):(\d{1,5})\/?$/.exec(text);
  if (match === null || Number(match[3]) > 65535) return null;
  return { host: (match[1] ?? match[2]) || "0.0.0.0", port: Number(match[3]) };
}
