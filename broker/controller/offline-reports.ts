import type { PeerStatus, ReplicasOfflineRequest } from "../../protocol/peer/messages.ts";
import { type ControllerState, type OfflineReplica, offlineKey, withOfflineReplicas } from "./controller-state.ts";
import type { PartitionName } from "./state-writer.ts";

export type TakenReport =
  | { readonly kind: "answered"; readonly status: PeerStatus }
  | {
      readonly kind: "news";
      readonly state: ControllerState;
      /** What is to be decided again: replicas that went offline, and those that can be used again. */
      readonly changed: readonly PartitionName[];
      readonly wentOffline: number;
    };

/** What a broker's report of its unusable replicas changes. It says everything, so that a lost or repeated one does no harm. */
export function takeOfflineReport(state: ControllerState, controllerEpoch: number, report: ReplicasOfflineRequest): TakenReport {
  const { brokerId, brokerEpoch, sequence } = report;
  const answered = (error: PeerStatus["error"], message: string): TakenReport => ({ kind: "answered", status: { error, message } });
  if (report.controllerEpoch !== controllerEpoch)
    return answered("STALE_CONTROLLER_EPOCH", `this controller has epoch ${controllerEpoch}, the report is for ${report.controllerEpoch}`);
  if (state.brokers.get(brokerId)?.epoch !== brokerEpoch)
    return answered("STALE_BROKER_EPOCH", `broker ${brokerId} is not registered with epoch ${brokerEpoch}`);
  const known = state.offlineReplicas.get(brokerId);
  if (known !== undefined && sequence <= known.sequence) return answered("NONE", "superseded");

  const replicas = new Map<string, OfflineReplica>();
  for (const { reason, replicas: reported } of report.offline)
    for (const { topicId, partition } of reported) replicas.set(offlineKey(topicId, partition), { topicId, partition, reason });
  const before = known?.replicas ?? new Map<string, OfflineReplica>();
  const wentOffline = [...replicas].filter(([key]) => !before.has(key));
  const cameBack = [...before].filter(([key]) => !replicas.has(key));
  const changed = [...wentOffline, ...cameBack].flatMap(([, { topicId, partition }]) => {
    const topic = state.topicNames.get(topicId);
    return topic === undefined ? [] : [{ topic, partition }];
  });
  return { kind: "news", state: withOfflineReplicas(state, brokerId, { sequence, replicas }), changed, wentOffline: wentOffline.length };
}
