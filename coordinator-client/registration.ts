import type { BrokerId } from "../protocol/base/ids.ts";
import { type Coordinator, CoordinatorUnavailable, type Node, type WriteOperation } from "./coordinator.ts";
import { pathPrefixes } from "./path-rules.ts";
import { type BrokerRegistration, decodeBrokerRegistration, encodeBrokerRegistration } from "./znodes/broker-registration.ts";
import { brokerIdsPath, brokerPath } from "./znodes/paths.ts";

/** Another broker holds our id. Neither waiting nor retrying will help. The message says where it is. */
export class BrokerIdTaken extends Error {
  override readonly name = "BrokerIdTaken";
}

export interface RegistrationResult {
  /** The registration's transaction id: rises with each life of the broker. */
  readonly brokerEpoch: number;
  /** The session that owns it; when that is lost, so is the registration. */
  readonly sessionNumber: number;
}

const attemptsMax = 10;

/**
 * Registers the broker under `/brokers/ids`. A registration left by an earlier life of one of our data directories (which is locked, so
 * that life is over) is deleted at once, not waited for.
 * Rejects with BrokerIdTaken, or with CoordinatorUnavailable when the outcome is unknown: run again once connected.
 *
 * Each of its transactions succeeds only if `guard` holds. Race: (1) the coordinator is found to be the one we know; (2) all of its state
 * is replaced by an older snapshot, in which our session is alive;
 * (3) the registration is written. The wrong coordinator's controller would then accept this broker.
 */
export async function registerBroker(
  coordinator: Coordinator,
  brokerId: BrokerId,
  registration: BrokerRegistration & { readonly incarnation: string },
  guard: readonly WriteOperation[] = [],
): Promise<RegistrationResult> {
  const path = brokerPath(brokerId);
  const data = encodeBrokerRegistration(registration);
  const { sessionNumber } = coordinator;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const result = await coordinator.write([...guard, { kind: "create", path, data, mode: "ephemeral" }]);
    if (result.kind === "conflict") {
      if (result.failedIndex < guard.length) throw new CoordinatorUnavailable(`ZooKeeper changed while ${path} was registered`);
      if (result.reason === "no-parent" || result.reason === "no-node") await makeFolder(coordinator, guard);
      else if (result.reason !== "node-exists") throw new CoordinatorUnavailable(`cannot create ${path}: ${result.reason}`);
    }
    if (result.kind === "unknown") await barrier(coordinator, path, result.error);
    const node = await coordinator.read(path);
    if (coordinator.sessionNumber !== sessionNumber) throw new CoordinatorUnavailable(`the session ended while ${path} was registered`);
    // Written by this session with the same contents: by this call, or by an earlier one whose answer was lost.
    if (node?.ownedByUs && node.data.equals(data)) return { brokerEpoch: node.createdZxid, sessionNumber };
    if (node !== null) await makeWay(coordinator, node, { path, incarnation: registration.incarnation, guard });
  }
  throw new CoordinatorUnavailable(`${path} did not settle in ${attemptsMax} attempts`);
}

/** In a cluster that no broker has registered in. It is fine if another broker is quicker: the next attempt finds what is missing. */
async function makeFolder(coordinator: Coordinator, guard: readonly WriteOperation[]): Promise<void> {
  for (const path of pathPrefixes(brokerIdsPath))
    await coordinator.write([...guard, { kind: "create", path, data: Buffer.alloc(0), mode: "persistent" }]);
}

/** Deletes the registration if it is of an earlier life of ours. */
async function makeWay(
  coordinator: Coordinator,
  node: Node,
  { path, incarnation, guard }: { readonly path: string; readonly incarnation: string; readonly guard: readonly WriteOperation[] },
): Promise<void> {
  const found = decodeBrokerRegistration(path, node.data);
  if (!node.ownedByUs && !sharesDirectory(found.incarnation, incarnation)) throw idTaken(path, node);
  // Registrations are never changed, so the version does not distinguish one from the next. If another machine took the id since the read,
  // it loses its registration here, and then finds ours: a misconfiguration that one of the two had to report in any case.
  const result = await coordinator.write([...guard, { kind: "delete", path, version: node.version }]);
  if (result.kind === "unknown") await barrier(coordinator, path, result.error);
}

/** The identity of a broker's data directories in its registration. */
export function incarnationOf(directoryIds: readonly string[]): string {
  return directoryIds.join(",");
}

/** One common directory is enough: the broker that uses it has locked it, and others may be lost or new. */
function sharesDirectory(found: string | undefined | null, ours: string): boolean {
  const ids = new Set(ours.split(","));
  return (found ?? "").split(",").some((id) => id !== "" && ids.has(id));
}

/** By the broker that wrote this registration. */
export function idTaken(path: string, node: Pick<Node, "data">): BrokerIdTaken {
  const { endpoints } = decodeBrokerRegistration(path, node.data);
  const id = path.slice(brokerIdsPath.length + 1);
  const at = endpoints.map(({ host, port }) => `${host}:${port}`).join(", ") || "an unknown address";
  return new BrokerIdTaken(
    `broker id ${id} is taken by another broker, at ${at}: give this one another broker.id, or stop that one and wait for its session to end`,
  );
}

/** As in the election: what is read after this is not older than the write whose answer was lost. */
async function barrier(coordinator: Coordinator, path: string, cause: Error): Promise<void> {
  if (coordinator.state !== "connected") throw new CoordinatorUnavailable(`cannot tell whether ${path} was written`, { cause });
  const result = await coordinator.write([{ kind: "check", path: "/", version: -1 }]);
  if (result.kind === "unknown") throw new CoordinatorUnavailable(`cannot tell whether ${path} was written`, { cause: result.error });
}
