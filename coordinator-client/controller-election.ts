import type { BrokerId } from "../protocol/base/ids.ts";
import { type Coordinator, CoordinatorUnavailable, type Node, type WriteOperation, type WriteResult } from "./coordinator.ts";
import { decodeController, decodeControllerEpoch, encodeController, encodeControllerEpoch } from "./znodes/controller-node.ts";
import { int32Max, MalformedZnode, missingNode } from "./znodes/json.ts";
import { brokerPath, controllerEpochPath, controllerPath } from "./znodes/paths.ts";

export interface ElectionParts {
  readonly coordinator: Coordinator;
  readonly brokerId: BrokerId;
  /** Wall clock, for the znode's timestamp. */
  readonly nowMs: number;
  /** The newest controller epoch that this broker has seen: a coordinator with an older one is not the one it knows. -1: none. */
  readonly seenEpoch?: number;
  /** A holder of `/controller` that a majority of the brokers cannot reach, and its registration: it is replaced. */
  readonly unreachable?: { readonly brokerId: BrokerId; readonly brokerEpoch: number } | null;
}

export type ElectionResult =
  /**
   * Every write of this term checks that `/controller_epoch` still has data version `epochVersion`. `sessionNumber` is the session that
   * holds `/controller`.
   */
  | { readonly kind: "won"; readonly controllerEpoch: number; readonly epochVersion: number; readonly sessionNumber: number }
  /** Watch `/controller`, and run again when it is deleted. */
  | { readonly kind: "lost"; readonly holder: BrokerId }
  /** The outcome is unknown; run again once connected. Whether we hold the term or not, no write was made in its name. */
  | { readonly kind: "unknown"; readonly error: Error };

/** The epoch before the first controller; Kafka's first is 1 as well. */
const epochBeforeFirst = 0;
const attemptsMax = 5;

/**
 * Tries to become the controller. It raises `/controller_epoch` and creates the ephemeral `/controller` in one transaction, so there can be
 * neither a controller without a new epoch nor two controllers with the same epoch. Only a registered broker may, and the registration is
 * checked in the same transaction: it proves that this is the coordinator we know, even if all its state was replaced a moment ago. A
 * `/controller` left by an earlier life of this broker is replaced in that transaction, not waited for; that life is known to be over
 * because the broker's registration is of this session (see `registerBroker`). So is one whose holder cannot be reached (`unreachable`): it
 * may go on for a while, but its writes fail, for the epoch was raised. Never rejects for lack of an answer: that is `unknown`.
 * Rejects with MalformedZnode.
 */
export async function electController(parts: ElectionParts): Promise<ElectionResult> {
  const { sessionNumber } = parts.coordinator;
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const result = await tryOnce(parts, sessionNumber);
      if (result !== "again") return result;
    }
    return { kind: "unknown", error: new CoordinatorUnavailable(`the election did not settle in ${attemptsMax} attempts`) };
  } catch (error) {
    if (error instanceof CoordinatorUnavailable) return { kind: "unknown", error };
    throw error;
  }
}

/** Deletes `/controller`, if it is still of this term, so that the others need not wait for the session to expire. */
export function resignController(coordinator: Coordinator, { epochVersion }: { readonly epochVersion: number }): Promise<WriteResult> {
  return coordinator.write([
    { kind: "check", path: controllerEpochPath, version: epochVersion },
    { kind: "delete", path: controllerPath, version: -1 },
  ]);
}

async function tryOnce(parts: ElectionParts, sessionNumber: number): Promise<ElectionResult | "again"> {
  const { coordinator } = parts;
  const holder = await coordinator.read(controllerPath);
  const isLeftover = holder !== null && ((await isOfEarlierLife(holder, parts)) || (await isUnreachable(holder, parts)));
  if (holder !== null && !isLeftover) return await heldBy(holder, parts, sessionNumber);
  const epochNode = await ensuredEpoch(parts);
  // Both were written by one transaction. A later one on the epoch means that the znode was replaced since, perhaps by another broker's.
  if (isLeftover && epochNode.modifiedZxid !== holder.createdZxid) return "again";
  const controllerEpoch = decodeNotOlder(parts, epochNode) + 1;
  // if it were written all the same, nobody could read it any more
  if (controllerEpoch > int32Max) throw new MalformedZnode(controllerEpochPath, `no epoch is left after ${controllerEpoch - 1}`);
  const result = await coordinator.write(claim(parts, controllerEpoch, epochNode.version, isLeftover));
  if (coordinator.sessionNumber !== sessionNumber) return newSession();
  switch (result.kind) {
    case "written":
      return { kind: "won", controllerEpoch, epochVersion: epochNode.version + 1, sessionNumber };
    case "conflict": // another broker was quicker, or what we read was stale
      if (result.failedIndex === 0) throw notRegistered(parts);
      return "again";
    case "unknown":
      await settleUnknown(coordinator, result);
      return coordinator.sessionNumber === sessionNumber ? "again" : newSession();
  }
}

/** If another broker has won meanwhile, it has raised the epoch, and the transaction fails. */
function claim({ brokerId, nowMs }: ElectionParts, controllerEpoch: number, expectedVersion: number, replaces: boolean): WriteOperation[] {
  return [
    registered(brokerId),
    { kind: "set", path: controllerEpochPath, data: encodeControllerEpoch(controllerEpoch), version: expectedVersion },
    ...(replaces ? ([{ kind: "delete", path: controllerPath, version: -1 }] as const) : []),
    { kind: "create", path: controllerPath, data: encodeController({ brokerId, timestampMs: nowMs }), mode: "ephemeral" },
  ];
}

/**
 * After a lost answer, on the link that follows. A write of any kind comes after ours in the server's one order of transactions, and a read
 * after it on the same link sees both. A read alone could be answered by a server that lags behind, and show our own znode as missing.
 */
async function settleUnknown(coordinator: Coordinator, { error }: WriteResult & { kind: "unknown" }): Promise<void> {
  if (coordinator.state !== "connected") throw error;
  const barrier = await coordinator.write([{ kind: "check", path: "/", version: -1 }]);
  if (barrier.kind === "unknown") throw barrier.error;
}

/**
 * Our id, another session, and yet the broker registered under that id is this session. The holder had our data directory, which is
 * locked, so that life is over.
 */
async function isOfEarlierLife(holder: Node, { coordinator, brokerId }: ElectionParts): Promise<boolean> {
  if (holder.ownedByUs || decodeController(controllerPath, holder.data).brokerId !== brokerId) return false;
  return (await coordinator.read(brokerPath(brokerId)))?.ownedByUs === true;
}

/** The session that holds it is that of the registration which cannot be reached, and not of a later one. */
async function isUnreachable(holder: Node, { coordinator, unreachable = null }: ElectionParts): Promise<boolean> {
  if (unreachable === null || holder.ownedByUs) return false;
  if (decodeController(controllerPath, holder.data).brokerId !== unreachable.brokerId) return false;
  const registered = await coordinator.read(brokerPath(unreachable.brokerId));
  return registered?.createdZxid === unreachable.brokerEpoch && registered.ephemeralOwner === holder.ephemeralOwner;
}

/**
 * `/controller` has a holder. If it is our own session, an earlier answer was lost, or a controller of this process is electing itself
 * twice: the term is ours as it stands.
 */
async function heldBy(holder: Node, parts: ElectionParts, sessionNumber: number): Promise<ElectionResult | "again"> {
  const { coordinator, brokerId } = parts;
  const { brokerId: holderId } = decodeController(controllerPath, holder.data);
  if (!holder.ownedByUs || holderId !== brokerId) return { kind: "lost", holder: holderId };
  const epochNode = await coordinator.read(controllerEpochPath);
  if (epochNode === null) throw missingNode(controllerEpochPath);
  if (coordinator.sessionNumber !== sessionNumber) return newSession();
  // Both were written by one transaction. A later one on the epoch means that we were replaced, and the read of the holder was stale.
  if (epochNode.modifiedZxid !== holder.createdZxid) return "again";
  return { kind: "won", controllerEpoch: decodeNotOlder(parts, epochNode), epochVersion: epochNode.version, sessionNumber };
}

async function ensuredEpoch(parts: ElectionParts): Promise<Node> {
  const { coordinator, brokerId } = parts;
  const known = await coordinator.read(controllerEpochPath);
  if (known !== null) return known;
  // A conflict says that it exists by now, and an unknown outcome is as good: the znode is read next.
  const data = encodeControllerEpoch(epochBeforeFirst);
  const result = await coordinator.write([registered(brokerId), { kind: "create", path: controllerEpochPath, data, mode: "persistent" }]);
  if (result.kind === "conflict" && result.failedIndex === 0) throw notRegistered(parts);
  const made = await coordinator.read(controllerEpochPath);
  if (made === null) throw missingNode(controllerEpochPath);
  return made;
}

function decodeNotOlder({ seenEpoch = -1 }: ElectionParts, epochNode: Node): number {
  const epoch = decodeControllerEpoch(controllerEpochPath, epochNode.data);
  if (epoch < seenEpoch) throw new CoordinatorUnavailable(`${controllerEpochPath} says ${epoch}, but this broker has seen ${seenEpoch}`);
  return epoch;
}

function registered(brokerId: BrokerId): WriteOperation {
  return { kind: "check", path: brokerPath(brokerId), version: -1 };
}

function notRegistered({ brokerId }: ElectionParts): CoordinatorUnavailable {
  return new CoordinatorUnavailable(`broker ${brokerId} is not registered, so it cannot be elected`);
}

function newSession(): ElectionResult {
  return { kind: "unknown", error: new CoordinatorUnavailable("the session ended during the election") };
}
