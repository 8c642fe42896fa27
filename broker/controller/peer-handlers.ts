import type { PeerHandlers } from "../runtime/peer-port.ts";
import type { Controller } from "./controller.ts";

/** What other brokers (and this one) say to the controller. */
export function controllerPeerHandlers(
  controller: Pick<Controller, "controlledShutdown" | "isrChanged">,
): Pick<PeerHandlers, "controlled-shutdown" | "isr-changed"> {
  return {
    "controlled-shutdown": async (request) => ({ body: await controller.controlledShutdown(request) }),
    "isr-changed": async (request) => ({ body: await controller.isrChanged(request) }),
  };
}
