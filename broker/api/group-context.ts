import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type { GroupCoordinator } from "../group/group-coordinator.ts";
import type { RequestContext } from "./api.ts";

/** What the group APIs need of the coordinator. */
export type GroupService = Pick<GroupCoordinator, "run" | "runEvenUnnamed" | "listGroups">;

/** The same for what is part of a producer's transaction. */
export type EnteredGroups = Pick<GroupCoordinator["transactions"], "enter">;

/** How a client is shown where its group is described: Kafka puts a slash before the address. */
export function clientOf({ clientId, remote }: RequestContext): { readonly clientId: string; readonly clientHost: string } {
  const host = remote.slice(0, remote.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  return { clientId: clientId ?? "", clientHost: `/${host}` };
}

/** A member could do nothing about a group that is too large for one record. */
export function memberError(error: KafkaError): KafkaErrorCode {
  return error === "MESSAGE_TOO_LARGE" ? "UNKNOWN_SERVER_ERROR" : error;
}
