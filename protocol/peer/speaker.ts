import type { BrokerId } from "../base/ids.ts";
import type { PeerKind, PeerMessages, PeerRequest } from "./messages.ts";

const speakers: { readonly [K in PeerKind]: (request: PeerMessages[K]["request"]) => BrokerId | null } = {
  "replica-fetch": ({ brokerId }) => brokerId,
  "metadata-update": ({ controllerId }) => controllerId,
  forward: () => null,
  "controlled-shutdown": ({ brokerId }) => brokerId,
  "hand-over": ({ controllerId }) => controllerId,
  "isr-changed": ({ brokerId }) => brokerId,
  "replicas-offline": ({ brokerId }) => brokerId,
  heartbeat: ({ brokerId }) => brokerId,
  "controller-unreachable": ({ brokerId }) => brokerId,
  "committed-ends": ({ brokerId }) => brokerId,
  "join-transaction": ({ brokerId }) => brokerId,
  "write-markers": ({ brokerId }) => brokerId,
};

/** The broker in whose name a request speaks; null: in nobody's. */
export function speakerOf<K extends PeerKind>(kind: K, request: PeerRequest<K>): BrokerId | null {
  return speakers[kind](request);
}
