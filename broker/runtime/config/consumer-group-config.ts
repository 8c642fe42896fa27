import type { BrokerValues } from "./broker-settings.ts";
import { type ConsumerGroupAssignorName, consumerGroupAssignors } from "./consumer-group-settings.ts";

/** For groups that use the new protocol (KIP-848). */
export interface ConsumerGroupConfig {
  /** False: heartbeats of such groups are refused (UNSUPPORTED_VERSION). */
  readonly enabled: boolean;
  readonly sessionTimeoutMs: number;
  /** Told to the members. Below the session timeout. */
  readonly heartbeatIntervalMs: number;
  readonly membersMax: number;
  /** At least one; the first is for groups whose members ask for none. */
  readonly assignors: readonly ConsumerGroupAssignorName[];
}

/** Two settings that cannot both be as they are; says which and what to do. */
export class ConflictingSettings extends Error {
  override readonly name = "ConflictingSettings";
}

/** Throws ConflictingSettings. */
export function consumerGroupConfig(values: BrokerValues): ConsumerGroupConfig {
  requireWithin(
    values,
    "group.consumer.session.timeout.ms",
    "group.consumer.min.session.timeout.ms",
    "group.consumer.max.session.timeout.ms",
  );
  requireWithin(
    values,
    "group.consumer.heartbeat.interval.ms",
    "group.consumer.min.heartbeat.interval.ms",
    "group.consumer.max.heartbeat.interval.ms",
  );
  const sessionTimeoutMs = values["group.consumer.session.timeout.ms"];
  const heartbeatIntervalMs = values["group.consumer.heartbeat.interval.ms"];
  if (heartbeatIntervalMs >= sessionTimeoutMs)
    throw new ConflictingSettings("group.consumer.heartbeat.interval.ms must be below group.consumer.session.timeout.ms");
  return {
    enabled: values["group.coordinator.rebalance.protocols"].includes("consumer"),
    sessionTimeoutMs,
    heartbeatIntervalMs,
    membersMax: values["group.consumer.max.size"],
    assignors: assignorNames(values["group.consumer.assignors"]),
  };
}

type NumberName = { [K in keyof BrokerValues]: BrokerValues[K] extends number ? K : never }[keyof BrokerValues];

function requireWithin(values: BrokerValues, name: NumberName, min: NumberName, max: NumberName): void {
  if (values[name] >= values[min] && values[name] <= values[max]) return;
  throw new ConflictingSettings(`${name} is ${values[name]}: it must be within ${min} (${values[min]}) and ${max} (${values[max]})`);
}

function assignorNames(names: readonly string[]): ConsumerGroupAssignorName[] {
  const known = new Map<string, ConsumerGroupAssignorName>(Object.entries(consumerGroupAssignors));
  return [...new Set(names.flatMap((name) => known.get(name) ?? []))];
}
