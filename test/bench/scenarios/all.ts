import type { Scenario } from "../scenario.ts";
import { brokerScenarios } from "./brokers.ts";
import { clientComparison } from "./client-comparison.ts";
import { clientScenarios } from "./clients.ts";
import { consumeScenarios } from "./consume.ts";
import { deletionScenarios } from "./deletion.ts";
import { failoverManyScenarios } from "./failover-many.ts";
import { fsyncScenarios } from "./fsync.ts";
import { idleScenario } from "./idle.ts";
import { lifeScenarios } from "./life.ts";
import { moveScenarios } from "./move.ts";
import { partitionScenarios } from "./partitions.ts";
import { produceScenarios } from "./produce.ts";
import { rateScenarios } from "./rates.ts";
import { groupScenarios } from "./rebalance.ts";
import { soakScenario } from "./soak.ts";
import { transactionScenarios } from "./transactions.ts";

/** In the order in which they run on a cluster that they share. */
export const allScenarios: readonly Scenario[] = [
  idleScenario,
  ...produceScenarios,
  ...rateScenarios,
  ...consumeScenarios,
  ...transactionScenarios,
  ...clientScenarios,
  ...clientComparison,
  ...groupScenarios,
  ...fsyncScenarios,
  ...lifeScenarios,
  ...failoverManyScenarios,
  ...deletionScenarios,
  ...moveScenarios,
  ...partitionScenarios,
  ...brokerScenarios,
  soakScenario,
];
