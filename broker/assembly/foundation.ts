import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import type { KnownCluster } from "../../coordinator-client/known-cluster.ts";
import type { LogDirectories } from "../log/directories/log-directories.ts";
import type { PeerSecret } from "../runtime/peer-port.ts";

/** What exists before anything is composed: see `Broker.start`. */
export interface Foundation {
  readonly coordinator: Coordinator;
  readonly logs: LogDirectories;
  /** As stored in the data directories. */
  readonly known: KnownCluster;
  readonly peerSecret: PeerSecret;
  /** The data directories' ids, as in the registration. */
  readonly incarnation: string;
}
