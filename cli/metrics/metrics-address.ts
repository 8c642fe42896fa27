import type { Address } from "../../protocol/base/transport.ts";

/** Where a broker's metrics are, or why that is not known. */
export type MetricsAddress = { readonly address: Address; readonly why: null } | { readonly address: null; readonly why: string };

const everyAddress = new Set(["", "0.0.0.0", "::", "[::]"]);

/**
 * `listener`: the broker's `metrics.listener`; null: it has no such setting. One that listens at every address of its machine is reached
 * where the broker itself is.
 */
export function metricsAddress(listener: string | null, advertisedHost: string): MetricsAddress {
  if (listener === null) return { address: null, why: "it has no setting metrics.listener, so it is none of Ottla's" };
  if (listener === "") return { address: null, why: "its metrics.listener is not set" };
  const [, host = "", portText = ""] = /^http:\/\/(\[[^\]]*\]|[^:/]*):(\d{1,5})\/?$/.exec(listener) ?? [];
  const port = Number(portText);
  if (portText === "") return { address: null, why: `its metrics.listener is ${listener}, which is no http://host:port` };
  if (port === 0) return { address: null, why: "its metrics.listener has port 0: its log tells the real one, for --metrics HOST:PORT" };
  return { address: { host: everyAddress.has(host) ? advertisedHost : host.replaceAll(/[[\]]/g, ""), port }, why: null };
}
