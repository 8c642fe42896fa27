import type { BrokerId } from "../../../protocol/base/ids.ts";
import { int, list, oneOf, restricted } from "./definition.ts";
import { type BrokerValues, brokerSetting } from "./setting.ts";

/** What the controller moves by itself: it goes by its own broker's values. */
export const autoRebalance = {
  mode: brokerSetting(
    "ottla.auto.rebalance",
    oneOf(
      ["off", "new-brokers", "full"],
      "off",
      "Whether the controller moves partitions by itself: `new-brokers` gives brokers that have less than half of their share (such as those that were added) the rest of it; `full` keeps the numbers of copies and of preferred leaders even over all brokers.",
      { update: "per-broker" },
    ),
  ),
  partitionsAtOnce: brokerSetting(
    "ottla.auto.rebalance.partitions.at.once",
    int(8, "Partitions that are moved at a time by `ottla.auto.rebalance`.", { min: 1, max: 100, update: "per-broker" }),
  ),
  intervalMs: brokerSetting(
    "ottla.auto.rebalance.interval.ms",
    int(10000, "How often `ottla.auto.rebalance` looks for something to move, and so the least time between two groups of moves.", {
      min: 100,
      unit: "milliseconds",
      update: "per-broker",
    }),
  ),
  calmMs: brokerSetting(
    "ottla.auto.rebalance.calm.ms",
    int(
      60000,
      "For how long nothing may have been wrong, no broker have come or gone, and nobody else have moved partitions, before `ottla.auto.rebalance` moves any.",
      { min: 0, unit: "milliseconds", update: "per-broker" },
    ),
  ),
  cancelledPauseMs: brokerSetting(
    "ottla.auto.rebalance.cancelled.pause.ms",
    int(3600000, "For how long `ottla.auto.rebalance` begins nothing after somebody has cancelled a move.", {
      min: 0,
      unit: "milliseconds",
      update: "per-broker",
    }),
  ),
  imbalancePercent: brokerSetting(
    "ottla.auto.rebalance.imbalance.percentage",
    int(
      10,
      "By how much a broker's copies or preferred leaders may differ from the mean, and by less than one in any case, before `ottla.auto.rebalance=full` moves any.",
      { min: 0, max: 100, unit: "percent", update: "per-broker" },
    ),
  ),
  excludedBrokers: brokerSetting(
    "ottla.auto.rebalance.excluded.brokers",
    restricted(
      list(
        "",
        "Brokers, by id, to and from which `ottla.auto.rebalance` moves nothing. `ottla cluster drain` puts a broker here, `ottla cluster rebalance` takes it out when it gives it copies again.",
        { update: "per-broker", emptyAllowed: true },
      ),
      "a comma-separated list of broker ids",
      (ids) => ids.every((id) => /^\d{1,10}$/.test(id)),
    ),
    (ids): ReadonlySet<BrokerId> => new Set(ids.map(Number)),
  ),
};

export type AutoRebalanceSettings = BrokerValues<typeof autoRebalance>;
