import type { BrokerId } from "../../protocol/base/ids.ts";
import type { PartitionRecord, Reassignment } from "../../protocol/peer/messages.ts";

/** Of a partition that may be under reassignment. */
export interface Reassigned {
  /** The preferred leader first. */
  readonly replicas: readonly BrokerId[];
  readonly reassignment?: Reassignment | undefined;
}

/** Who is to have the partition in the end, the preferred leader first. */
export function targetOf({ replicas, reassignment }: Reassigned): readonly BrokerId[] {
  return replicas.filter((id) => reassignment?.removing.includes(id) !== true);
}

/** It was to be added, and is not any more: see `controller/reassignment.ts`. */
export function isGivenUp({ reassignment }: Reassigned, id: BrokerId): boolean {
  return reassignment?.adding.includes(id) === true && reassignment.removing.includes(id);
}

/** It is being added or removed, so nobody may expect that it is in sync. */
export function isMoving({ reassignment }: Pick<Reassigned, "reassignment">, id: BrokerId): boolean {
  return reassignment?.adding.includes(id) === true || reassignment?.removing.includes(id) === true;
}

/** What is being added. What was given up is only being removed. */
export function addingOf({ reassignment }: Reassigned): readonly BrokerId[] {
  return reassignment?.adding.filter((id) => !reassignment.removing.includes(id)) ?? [];
}

/** Nothing is added, and nobody leaves but who was to be added: the partition returns to the replicas that it had. */
export function isReturn(reassigned: Reassigned): boolean {
  const { adding = [], removing = [] } = reassigned.reassignment ?? {};
  return [...adding, ...removing].every((id) => isGivenUp(reassigned, id));
}

/**
 * Whether the replicas to be removed are not needed any more: the others are all in sync. Where a partition returns to the replicas that it
 * had, those that are not alive are not waited for, as they are not in Kafka: they may be why it returns. Where another tool removes all
 * replicas, they stay.
 */
export function isReplaced(reassigned: Reassigned, isr: ReadonlySet<BrokerId>, isAlive: (id: BrokerId) => boolean): boolean {
  const doesReturn = isReturn(reassigned);
  const target = targetOf(reassigned);
  return target.length > 0 && target.every((id) => isr.has(id) || (doesReturn && !isAlive(id)));
}

/** Whether those that are to be removed are neither in sync nor lead, and all others are in sync. */
export function isComplete({ leader, isr, ...reassigned }: Pick<PartitionRecord, "leader" | "isr" | "replicas" | "reassignment">): boolean {
  const target = targetOf(reassigned);
  if (!target.includes(leader) || !isr.every((id) => target.includes(id))) return false;
  return isReturn(reassigned) || target.every((id) => isr.includes(id));
}

export function isSameAssignment(a: Reassigned, b: Reassigned): boolean {
  const all = ({ replicas, reassignment }: Reassigned) =>
    [replicas, reassignment?.adding ?? [], reassignment?.removing ?? []].map((ids) => ids.join()).join(";");
  return all(a) === all(b);
}
