import type { BrokerId } from "../protocol/base/ids.ts";
import type { Coordinator } from "./coordinator.ts";
import { decodeController, decodeControllerEpoch } from "./znodes/controller-node.ts";
import { controllerEpochPath, controllerPath } from "./znodes/paths.ts";

export interface ClaimedTerm {
  readonly controllerId: BrokerId;
  readonly controllerEpoch: number;
}

/**
 * Whether the coordinator knows this term as the current one. Reads may come from a server that lags. So when what is found is older than
 * the claim, a transaction of our own comes first, and what is read after it on the same link is no older than that. Rejects with
 * CoordinatorUnavailable, or MalformedZnode.
 */
export async function isPresentTerm(coordinator: Pick<Coordinator, "read" | "write">, claimed: ClaimedTerm): Promise<boolean> {
  const found = await presentTerm(coordinator);
  if (isSame(found, claimed) || found.controllerEpoch > claimed.controllerEpoch) return isSame(found, claimed);
  const barrier = await coordinator.write([{ kind: "check", path: "/", version: -1 }]);
  if (barrier.kind === "unknown") throw barrier.error;
  return isSame(await presentTerm(coordinator), claimed);
}

async function presentTerm(coordinator: Pick<Coordinator, "read">): Promise<{ holder: BrokerId | null; controllerEpoch: number }> {
  // the epoch last: it was raised in the transaction that created the holder's znode, so it is never older than the holder read before it
  const holder = await coordinator.read(controllerPath);
  const epoch = await coordinator.read(controllerEpochPath);
  return {
    holder: holder === null ? null : decodeController(controllerPath, holder.data).brokerId,
    controllerEpoch: epoch === null ? -1 : decodeControllerEpoch(controllerEpochPath, epoch.data),
  };
}

function isSame(found: { holder: BrokerId | null; controllerEpoch: number }, { controllerId, controllerEpoch }: ClaimedTerm): boolean {
  return found.holder === controllerId && found.controllerEpoch === controllerEpoch;
}
