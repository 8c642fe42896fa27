import type { UpdateReceiver } from "../cluster/update-receiver.ts";
import type { Controller } from "../controller/controller.ts";
import type { ControllerVote } from "../controller/controller-vote.ts";
import type { PeerHandler, PeerHandlers } from "../runtime/peer-port.ts";

export interface PeerHandlerParts {
  readonly replicaFetch: PeerHandler<"replica-fetch">;
  readonly updates: Pick<UpdateReceiver, "handle">;
  readonly controller: Pick<Controller, "controlledShutdown" | "isrChanged" | "replicasOffline">;
  readonly forward: PeerHandler<"forward">;
  readonly handOver: PeerHandler<"hand-over">;
  readonly heartbeat: PeerHandler<"heartbeat">;
  readonly vote: Pick<ControllerVote, "answer">;
  readonly committedEnds: PeerHandler<"committed-ends">;
  readonly joinTransaction: PeerHandler<"join-transaction">;
  readonly writeMarkers: PeerHandler<"write-markers">;
}

/** Everything that other brokers may request of this one. */
export function peerHandlers(parts: PeerHandlerParts): PeerHandlers {
  const { replicaFetch, updates, controller, forward, handOver, heartbeat, vote, committedEnds, joinTransaction, writeMarkers } = parts;
  return {
    // a follower
    "replica-fetch": replicaFetch,
    // the controller
    "metadata-update": updates.handle,
    "hand-over": handOver,
    // any broker, of the controller
    "controlled-shutdown": async (request) => ({ body: await controller.controlledShutdown(request) }),
    "isr-changed": async (request) => ({ body: await controller.isrChanged(request) }),
    "replicas-offline": async (request) => ({ body: await controller.replicasOffline(request) }),
    forward,
    // any broker
    heartbeat,
    "controller-unreachable": async (request) => ({ body: await vote.answer(request) }),
    "committed-ends": committedEnds,
    "join-transaction": joinTransaction,
    "write-markers": writeMarkers,
  };
}
