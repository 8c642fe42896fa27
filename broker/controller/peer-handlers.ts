import type { PeerHandlers } from "../runtime/peer-port.ts";
import type { Controller } from "./controller.ts";

/** What other brokers (and this one) say to the controller. */
export function controllerPeerHandlers(
  controller: Pick<Controller, "controlledShutdown" | "isrChanged" | "replicasOffline">,
): Pick<PeerHandlers, "controlled-shutdown" | "isr-changed" | "replicas-offline"> {
  return {
    "controlled-shutdown": async (request) => ({ body: await controller.controlledShutdown(request) }),
    "isr-changed": async (request) => ({ body: await controller.isrChanged(request) }),
    "replicas-offline": async (request) => ({ body: await controller.replicasOffline(request) }),
  };
}
