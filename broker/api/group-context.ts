import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { GroupCoordinator } from "../group/group-coordinator.ts";
import type { RequestContext } from "./api.ts";

/** What the group APIs ask of the coordinator. */
export type GroupService = Pick<GroupCoordinator, "run" | "runEvenUnnamed" | "listGroups">;

/** How a client is shown to those who describe its group: Kafka puts a slash before the address. */
export function clientOf({ clientId, remote }: RequestContext): { readonly clientId: string; readonly clientHost: string } {
  const host = remote.slice(0, remote.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  return { clientId: clientId ?? "", clientHost: `/${host}` };
}

/** A group too large for one record is nothing that a member could mend. */
export function memberError(error: KafkaError): KafkaErrorCode {
  return error === "MESSAGE_TOO_LARGE" ? "UNKNOWN_SERVER_ERROR" : error;
}
