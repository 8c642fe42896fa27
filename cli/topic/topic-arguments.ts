import { InvalidArgumentError } from "commander";
import type { BrokerId } from "../../protocol/base/ids.ts";

/** `1:2:3,2:3:1`: for each partition its replicas, the preferred leader first. */
export function parseReplicaAssignment(text: string): BrokerId[][] {
  return text.split(",").map((partition, index) => {
    const replicas = partition.split(":");
    if (!replicas.every((id) => /^\d{1,9}$/.test(id)))
      throw new InvalidArgumentError(`"${partition}" are no broker ids, as in 1:2:3 for partition ${index}.`);
    const ids = replicas.map(Number);
    if (new Set(ids).size < ids.length) throw new InvalidArgumentError(`partition ${index} names a broker twice.`);
    return ids;
  });
}

/** Collects `name=value` options; the value may hold further equals signs. */
export function collectConfig(text: string, previous: Readonly<Record<string, string>>): Record<string, string> {
  const equals = text.indexOf("=");
  const name = text.slice(0, equals).trim();
  if (equals < 0 || name === "") throw new InvalidArgumentError(`"${text}" is not NAME=VALUE.`);
  return { ...previous, [name]: text.slice(equals + 1).trim() };
}
