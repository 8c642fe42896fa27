import type { ApiParts } from "../../../broker/api/registry.ts";
import { PeerUnavailable } from "../../../broker/runtime/peer-port.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { FakeController } from "./fake-controller.ts";
import { ManualClock } from "./fixtures.ts";

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
    transactions: null,
    traffic: null,
    gate: null,
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
