import type { BrokerId } from "../../protocol/base/ids.ts";
import type { ClusterImage } from "../cluster/cluster-image.ts";

/** How a consumer that says where it stands is served (KIP-392). */
export interface CloseBy {
  /** It may be sent to these, of its rack. Empty: there is none, or this broker is of that rack itself, or sends nobody away. */
  readonly near: readonly BrokerId[];
}

/** Followers serve whoever says its rack: others were not sent to them, and are to hear that another broker leads. Null: it says none. */
export function closeBy(
  rackId: string,
  listener: string,
  { brokers, leavingBrokers, suspectedBrokers }: ClusterImage,
  { brokerId, sendsToRack }: { readonly brokerId: BrokerId; readonly sendsToRack: boolean },
): CloseBy | null {
  if (rackId === "") return null;
  if (!sendsToRack || brokers.get(brokerId)?.rack === rackId) return { near: [] };
  const isThere = (id: BrokerId) => !leavingBrokers.has(id) && !suspectedBrokers.has(id);
  const near = [...brokers.values()].filter(
    ({ id, rack, endpoints }) => rack === rackId && isThere(id) && endpoints.some((endpoint) => endpoint.listener === listener),
  );
  return { near: near.map(({ id }) => id) };
}
