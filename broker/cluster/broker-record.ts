import type { Node } from "../../coordinator-client/coordinator.ts";
import { decodeBrokerRegistration } from "../../coordinator-client/znodes/broker-registration.ts";
import { MalformedZnode } from "../../coordinator-client/znodes/json.ts";
import { brokerPath } from "../../coordinator-client/znodes/paths.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { BrokerRecord } from "../../protocol/peer/messages.ts";

/**
 * The registration under which the broker came back from its last unclean stop, in this life or an earlier one: what it had in sync before
 * may lack records. -1: there was none. One above its present registration is of a coordinator whose transactions have begun anew since:
 * all that was before the present one is in doubt.
 */
export function recoveredEpochOf(id: BrokerId, node: Node): number {
  const { recoveredUnder } = decodeBrokerRegistration(brokerPath(id), node.data);
  if (recoveredUnder === undefined) return -1;
  return recoveredUnder < 0 ? node.createdZxid : Math.min(recoveredUnder, node.createdZxid);
}

/**
 * A live broker as its registration tells. Null when it is none of ours: it cannot be read, or says no address that other brokers could
 * reach it at.
 */
export function brokerRecordOf(id: BrokerId, node: Node): BrokerRecord | null {
  try {
    const { endpoints, rack, peer } = decodeBrokerRegistration(brokerPath(id), node.data);
    if (peer === null) return null;
    return { id, epoch: node.createdZxid, rack, endpoints: endpoints.map(({ listener, host, port }) => ({ listener, host, port })), peer };
  } catch (error) {
    if (error instanceof MalformedZnode) return null;
    throw error;
  }
}
