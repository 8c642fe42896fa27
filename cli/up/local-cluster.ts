import { isRunning } from "./process-identity.ts";
import { readRunningCluster } from "./running-cluster.ts";

/** Where `ottla up` keeps a cluster unless told otherwise, from the working directory. */
export const usualFolder = ".ottla";

export type LocalCluster =
  /** No broker has an address before it was started. */
  | { readonly kind: "runs"; readonly addresses: readonly string[] }
  | { readonly kind: "none" }
  /** It may run on another machine, or in another container. */
  | { readonly kind: "unknown" };

/** Of the brokers of an `ottla up` that runs in this working directory; null: there are none. */
export function localAddresses(): readonly string[] | null {
  const local = localCluster();
  return local.kind === "runs" && local.addresses.length > 0 ? local.addresses : null;
}

/** What an `ottla up` of this working directory says of itself. Looks at files only. */
export function localCluster(folder = usualFolder): LocalCluster {
  const cluster = readRunningCluster(folder);
  const runs = cluster !== null && isRunning(cluster.owner);
  if (runs === null) return { kind: "unknown" };
  return cluster !== null && runs ? { kind: "runs", addresses: cluster.brokers.map(({ address }) => address) } : { kind: "none" };
}
