import { int, intMax, list } from "./setting.ts";

/** Kafka 3.9's default for the assignors is a list of classes; these are the names that its clients use for them. */
export const consumerGroupAssignors = {
  uniform: "uniform",
  range: "range",
  "org.apache.kafka.coordinator.group.assignor.UniformAssignor": "uniform",
  "org.apache.kafka.coordinator.group.assignor.RangeAssignor": "range",
} as const;

export type ConsumerGroupAssignorName = (typeof consumerGroupAssignors)[keyof typeof consumerGroupAssignors];

/** Of groups that use the new protocol (KIP-848). */
export const consumerGroupSettings = {
  "group.coordinator.rebalance.protocols": list(
    "classic,consumer",
    "The kinds of group that are served: classic groups always; consumer groups (KIP-848) when `consumer` is in the list.",
    { choices: ["classic", "consumer"] },
  ),
  "group.consumer.session.timeout.ms": int(
    45000,
    "A member of a consumer group that has not been heard of for this long is removed, and its partitions go to others.",
    { min: 1, unit: "milliseconds" },
  ),
  "group.consumer.min.session.timeout.ms": int(45000, "The lowest that `group.consumer.session.timeout.ms` may be.", {
    min: 1,
    unit: "milliseconds",
  }),
  "group.consumer.max.session.timeout.ms": int(60000, "The highest that `group.consumer.session.timeout.ms` may be.", {
    min: 1,
    unit: "milliseconds",
  }),
  "group.consumer.heartbeat.interval.ms": int(
    5000,
    "How often members of consumer groups are told to send heartbeats. They learn of a new assignment with one. Below `group.consumer.session.timeout.ms`.",
    { min: 1, unit: "milliseconds" },
  ),
  "group.consumer.min.heartbeat.interval.ms": int(5000, "The lowest that `group.consumer.heartbeat.interval.ms` may be.", {
    min: 1,
    unit: "milliseconds",
  }),
  "group.consumer.max.heartbeat.interval.ms": int(15000, "The highest that `group.consumer.heartbeat.interval.ms` may be.", {
    min: 1,
    unit: "milliseconds",
  }),
  "group.consumer.max.size": int(intMax, "Members that a consumer group may have; further ones are refused (GROUP_MAX_SIZE_REACHED).", {
    min: 1,
  }),
  "group.consumer.assignors": list(
    "uniform,range",
    "The assignors that members of consumer groups may ask for, the default first. Kafka's class names for them are understood as well.",
    { choices: Object.keys(consumerGroupAssignors) },
  ),
} as const;
