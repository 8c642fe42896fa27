import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import {
  type FindCoordinatorRequest,
  type FindCoordinatorResponse,
  findCoordinatorRequest,
  findCoordinatorResponse,
} from "../../protocol/messages/find-coordinator.ts";
import type { Api } from "./api.ts";
import type { Node } from "./leader-hints.ts";
import { answerEach } from "./request-meter.ts";

export type CoordinatorKind = "group" | "transaction";

/** Finds the broker that coordinates a group or a transactional id, as clients of `listener` reach it. */
export interface CoordinatorFinder {
  find(kind: CoordinatorKind, key: string, listener: string): Promise<Outcome<{ readonly node: Node }>>;
}

/**
 * Behavior: names the broker that coordinates each requested key; the key types are groups and transactional ids.
 * Version notes: key type since 1 (before: groups). From 4 on several keys in one request (KIP-699); before, a single one whose answer is
 * in the top-level fields. Share groups (6) are not served: INVALID_REQUEST.
 */
export function findCoordinatorApi(finder: CoordinatorFinder): Api<FindCoordinatorRequest, FindCoordinatorResponse> {
  const answerFor = async (keyType: number, key: string, listener: string) => {
    const kind = coordinatorKind(keyType);
    if (kind === null)
      return { key, ...nowhere, errorCode: "INVALID_REQUEST", errorMessage: `no coordinator for key type ${keyType}` } as const;
    const found = await finder.find(kind, key, listener);
    if (found.error !== null) return { key, ...nowhere, errorCode: found.error, errorMessage: found.message ?? null };
    const { nodeId, host, port } = found.node;
    return { key, nodeId, host, port, errorCode: "NONE", errorMessage: null } as const;
  };
  return {
    request: findCoordinatorRequest,
    response: findCoordinatorResponse,
    async handle(request, { apiVersion, listener, meter }) {
      const keys = new Set(apiVersion >= 4 ? request.coordinatorKeys : [request.key]);
      const coordinators = await answerEach(keys, meter, (key) => answerFor(request.keyType, key, listener));
      const single = (apiVersion >= 4 ? undefined : coordinators[0]) ?? { ...nowhere, errorCode: "NONE", errorMessage: null };
      const { nodeId, host, port, errorCode, errorMessage } = single;
      return { throttleTimeMs: 0, errorCode, errorMessage, nodeId, host, port, coordinators };
    },
  };
}

const nowhere = { nodeId: -1, host: "", port: -1 } as const;

function coordinatorKind(keyType: number): CoordinatorKind | null {
  if (keyType === 0) return "group";
  return keyType === 1 ? "transaction" : null;
}

/** While no broker coordinates groups: clients retry. */
export const noCoordinators: CoordinatorFinder = { find: async () => ({ error: "COORDINATOR_NOT_AVAILABLE" }) };
