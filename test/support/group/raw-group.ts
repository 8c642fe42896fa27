import { apis } from "../../../protocol/messages/apis.ts";
import type { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from "../../../protocol/messages/consumer-group-heartbeat.ts";
import type { Message } from "../../../protocol/schema/message.ts";
import type { TestCluster } from "../cluster.ts";
import { RawConnection } from "../raw-request.ts";
import { waitUntil } from "../wait-until.ts";

interface Pair<Req, Res> {
  readonly request: Message<Req>;
  readonly response: Message<Res>;
}

export const heartbeatApi = apis.consumerGroupHeartbeat;
const findCoordinatorApi = apis.findCoordinator;

/** A connection to the broker that coordinates a group; looks it up again when it has moved. */
export class CoordinatorConnection {
  readonly #cluster: TestCluster;
  readonly #groupId: string;
  #link: RawConnection | null = null;
  #brokerId = -1;

  constructor(cluster: TestCluster, groupId: string) {
    this.#cluster = cluster;
    this.#groupId = groupId;
  }

  get brokerId(): number {
    return this.#brokerId;
  }

  /**
   * Until the group's coordinator serves: the answer is then neither a broken connection nor one of those that mean "elsewhere" or "not
   * yet".
   */
  ask<Req, Res>(api: Pair<Req, Res>, version: number, body: Req, errorOf: (response: Res) => string): Promise<Res> {
    return waitUntil(`an answer of the coordinator of ${this.#groupId}`, async () => {
      const link = this.#link ?? (await this.#connect());
      const response = await answerOrNull(link.request(api, version, body));
      if (
        response !== null &&
        !["NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS"].includes(errorOf(response))
      )
        return response;
      this.close();
      return null;
    });
  }

  heartbeat(request: Partial<ConsumerGroupHeartbeatRequest>): Promise<ConsumerGroupHeartbeatResponse> {
    const body = { ...silent, groupId: this.#groupId, ...request };
    return this.ask(heartbeatApi, 0, body, ({ errorCode }) => errorCode);
  }

  close(): void {
    this.#link?.close();
    this.#link = null;
  }

  async #connect(): Promise<RawConnection> {
    const body = { key: "", keyType: 0, coordinatorKeys: [this.#groupId] };
    for (const id of this.#cluster.ids) {
      const link = await RawConnection.open(this.#cluster.port(id)).catch(() => null);
      if (link === null) continue;
      const found = await answerOrNull(link.request(findCoordinatorApi, 4, body));
      link.close();
      const [coordinator] = found?.coordinators ?? [];
      if (coordinator === undefined || coordinator.errorCode !== "NONE") continue;
      this.#brokerId = coordinator.nodeId;
      this.#link = await RawConnection.open(coordinator.port);
      return this.#link;
    }
    throw new Error("no coordinator yet");
  }
}

const answerMaxMs = 10_000;

/** Null: the connection broke, or nothing came (a connection that was broken before says nothing at all). */
function answerOrNull<T>(answer: Promise<T>): Promise<T | null> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(null), answerMaxMs);
    answer.then(resolve, () => resolve(null)).finally(() => clearTimeout(late));
  });
}

/** A heartbeat without changes. */
const silent: ConsumerGroupHeartbeatRequest = {
  groupId: "",
  memberId: "",
  memberEpoch: 0,
  instanceId: null,
  rackId: null,
  rebalanceTimeoutMs: -1,
  subscribedTopicNames: null,
  subscribedTopicRegex: null,
  serverAssignor: null,
  topicPartitions: null,
};
