import type { Logger } from "../../protocol/base/logger.ts";
import type { Endpoint } from "../api/api.ts";
import type { UpdateReceiver } from "../cluster/update-receiver.ts";
import type { Controller } from "../controller/controller.ts";
import { type ReplicaFetchHandlerParts, replicaFetchHandler } from "../replication/replica-fetch-handler.ts";
import type { PeerHandlers } from "../runtime/peer-port.ts";
import { forwardHandler } from "./forward.ts";

export interface PeerHandlerParts extends ControlHandlerParts {
  readonly replicaFetch: ReplicaFetchHandlerParts;
  /** Those that serve here, not those that forward. */
  readonly controllerEndpoints: readonly Endpoint[];
  readonly log: Logger;
}

export interface ControlHandlerParts {
  readonly updates: Pick<UpdateReceiver, "handle">;
  readonly controller: Pick<Controller, "isController" | "controlledShutdown" | "isrChanged" | "replicasOffline">;
}

/** Everything that other brokers may ask of this one. */
export function peerHandlers(parts: PeerHandlerParts): PeerHandlers {
  return {
    "replica-fetch": replicaFetchHandler(parts.replicaFetch),
    ...controlHandlers(parts),
    forward: forwardHandler(parts.controllerEndpoints, parts.controller, parts.log),
  };
}

/** What the controller says to this broker, and what this broker is told as the controller. */
export function controlHandlers({ updates, controller }: ControlHandlerParts) {
  return {
    "metadata-update": updates.handle,
    "controlled-shutdown": async (request) => ({ body: await controller.controlledShutdown(request) }),
    "isr-changed": async (request) => ({ body: await controller.isrChanged(request) }),
    "replicas-offline": async (request) => ({ body: await controller.replicasOffline(request) }),
  } satisfies Partial<PeerHandlers>;
}
