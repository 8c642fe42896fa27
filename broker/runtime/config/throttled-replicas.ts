import type { BrokerId } from "../../../protocol/base/ids.ts";

/** What a topic's list says about its replicas. */
export interface ThrottledReplicas {
  has(partition: number, broker: BrokerId): boolean;
}

const all: ThrottledReplicas = { has: () => true };
export const noReplicas: ThrottledReplicas = { has: () => false };

/** Whether a list is `*`, or of `partition:broker`. */
export function isReplicaList(elements: readonly string[]): boolean {
  return isAll(elements) || elements.every((element) => /^\d{1,10}:\d{1,10}$/.test(element));
}

export function throttledReplicas(elements: readonly string[]): ThrottledReplicas {
  if (elements.length === 0) return noReplicas;
  if (isAll(elements)) return all;
  const named = new Set(elements.map((element) => element.split(":").map(Number).join(":")));
  return { has: (partition, broker) => named.has(`${partition}:${broker}`) };
}

function isAll(elements: readonly string[]): boolean {
  return elements.length === 1 && elements[0] === "*";
}
