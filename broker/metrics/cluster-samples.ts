import type { Coordinator, SessionState } from "../../coordinator-client/coordinator.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";
import type { Pace } from "./pace.ts";
import type { Samples } from "./samples.ts";

const sessionStates: readonly SessionState[] = ["connecting", "connected", "suspended", "lost", "closed"];

/** Counts how often a session came into each of its states. */
export class SessionChanges {
  readonly #counts = new Map<SessionState, number>();

  constructor(session: Pick<Coordinator, "onState">) {
    session.onState((state) => this.#counts.set(state, this.count(state) + 1));
  }

  count(state: SessionState): number {
    return this.#counts.get(state) ?? 0;
  }
}

export interface ClusterSources {
  readonly brokerId: BrokerId;
  readonly image: () => ClusterImage;
  readonly isController: () => boolean;
  readonly isRegistered: () => boolean;
  readonly session: Pick<Coordinator, "state">;
  readonly sessionChanges: SessionChanges;
}

export async function collectCluster(sources: ClusterSources, into: Samples, pace: Pace): Promise<void> {
  const image = sources.image();
  const { state } = sources.session;
  into.add("ottla_broker_info", 1, { broker_id: String(sources.brokerId), cluster_id: image.clusterId });
  into.flag("ottla_controller_active", sources.isController());
  into.flag("ottla_controller_known", image.brokers.has(image.controllerId));
  into.add("ottla_controller_epoch", image.controllerEpoch < 0 ? null : image.controllerEpoch);
  into.flag("ottla_registered", sources.isRegistered());
  for (const one of sessionStates) {
    into.flag("ottla_zookeeper_session_state", one === state, { state: one });
    into.add("ottla_zookeeper_session_changes_total", sources.sessionChanges.count(one), { state: one });
  }
  if (sources.isController()) await collectWhole(image, into, pace);
}

/** What is the same for all brokers is told by one. */
async function collectWhole(image: ClusterImage, into: Samples, pace: Pace): Promise<void> {
  let partitions = 0;
  let offline = 0;
  let imbalanced = 0;
  for (const topic of image.topics.values()) {
    for (const { leader, replicas } of topic.partitions) {
      partitions++;
      if (leader < 0) offline++;
      else if (leader !== replicas[0]) imbalanced++;
      if (pace.isOver) await pace.next();
    }
  }
  into.add("ottla_cluster_brokers", image.brokers.size);
  into.add("ottla_cluster_topics", image.topics.size);
  into.add("ottla_cluster_partitions", partitions);
  into.add("ottla_offline_partitions", offline);
  into.add("ottla_preferred_replica_imbalance", imbalanced);
}
