import type { Logger } from "../../protocol/base/logger.ts";
import type { Endpoint } from "../api/api.ts";
import type { ControllerService } from "../controller/controller-service.ts";
import type { PeerHandlers } from "../runtime/peer-port.ts";
import { forwardHandler } from "./forward.ts";

export interface PeerHandlerParts extends Omit<PeerHandlers, "forward"> {
  readonly log: Logger;
  /** Those that serve here, not those that forward. */
  readonly localEndpoints: readonly Endpoint[];
  readonly controller: Pick<ControllerService, "isController">;
}

/** Everything that other brokers may ask of this one. */
export function peerHandlers({ localEndpoints, controller, log, ...others }: PeerHandlerParts): PeerHandlers {
  return { ...others, forward: forwardHandler(localEndpoints, controller, log) };
}
