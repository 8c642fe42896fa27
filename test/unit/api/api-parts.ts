import type { ApiParts } from "../../../broker/api/registry.ts";
import type { TransactionParts } from "../../../broker/api/transaction-apis.ts";
import { TransactionGate } from "../../../broker/api/transaction-gate.ts";
import { PeerUnavailable } from "../../../broker/runtime/peer-port.ts";
import type { TransactionVerifier } from "../../../broker/runtime/transaction-verifier.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { FakeController } from "./fake-controller.ts";
import { ManualClock } from "./fixtures.ts";

/** No transaction is known here. */
const nobody: TransactionVerifier = { verify: async () => new Map() };
const refused = async () => ({ error: "NOT_COORDINATOR" }) as const;
const noCoordinator: TransactionParts["coordinator"] = {
  run: refused,
  runWithId: refused,
  verify: nobody.verify,
  list: async () => ({ error: null, transactions: [] }),
  allowsTimeout: () => true,
};

/** What the APIs of a broker stand on: a controller that says yes to everything, and no other brokers. */
export function apiParts(given: Pick<ApiParts, "partitions" | "images" | "coordinators">): ApiParts {
  return {
    ...given,
    consumed: {
      leader: (ref) => given.partitions.leader(ref),
      follower: () => null,
      changed: (refs, deadlineMs, signal) => given.partitions.changed(refs, deadlineMs, signal),
    },
    controller: new FakeController(),
    producerIds: { next: async () => ({ error: null, producerId: 7 }) },
    transactions: {
      coordinator: noCoordinator,
      gate: new TransactionGate({ partitions: given.partitions, verifier: nobody, verifies: () => true }),
      verifier: nobody,
      verifies: () => true,
      writer: { write: async (markers) => markers.map(({ partitions }) => partitions.map(() => "NOT_LEADER_OR_FOLLOWER")) },
    },
    enteredGroups: { enter: () => ({ error: "NOT_COORDINATOR" }) },
    traffic: null,
    peers: { request: () => Promise.reject(new PeerUnavailable("none")) },
    clock: new ManualClock(),
    random: seededRandom(1),
    log: silentLogger,
    signal: new AbortController().signal,
    config: {
      brokerId: 1,
      startTexts: {},
      supportedFeatures: new Map([["transaction.version", { min: 0, max: 2 }]]),
      autoCreateTopics: false,
      fetchMaxBytes: 100,
      sendsToRack: false,
      fetchSessionsMax: 5,
      forwardTimeoutMs: 100,
    },
  };
}
