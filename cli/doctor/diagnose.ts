import { checkAddresses } from "./checks/addresses.ts";
import { checkBalance } from "./checks/balance.ts";
import { checkBrokerSettings } from "./checks/broker-settings.ts";
import { checkBrokers } from "./checks/brokers.ts";
import { checkDisks } from "./checks/disks.ts";
import { checkGroups } from "./checks/groups.ts";
import { checkMoves } from "./checks/moves.ts";
import { checkPartitions } from "./checks/partitions.ts";
import { checkTopicSettings } from "./checks/topic-settings.ts";
import type { Facts } from "./facts.ts";
import { type Checked, severities } from "./finding.ts";

const checks: readonly ((facts: Facts) => Checked)[] = [
  checkAddresses,
  checkPartitions,
  checkDisks,
  checkBrokers,
  checkMoves,
  checkBalance,
  checkGroups,
  checkTopicSettings,
  checkBrokerSettings,
];

/** Everything that is wrong, the worst first, and what could not be looked at. */
export function diagnose(facts: Facts): Checked {
  const checked = checks.map((check) => check(facts));
  const found = checked.flatMap(({ findings }) => findings);
  return {
    findings: severities.flatMap((severity) => found.filter((one) => one.severity === severity)),
    unchecked: checked.flatMap(({ unchecked }) => unchecked),
  };
}
