import { diskFaults } from "./disks.ts";
import type { Family, FaultKind } from "./fault.ts";
import { growthFaults } from "./growth.ts";
import { machineFaults } from "./machines.ts";
import { networkFaults } from "./network.ts";
import { processFaults } from "./processes.ts";
import { zookeeperFaults } from "./zookeeper.ts";

export type KnownFault = FaultKind & { readonly family: Family };

const of = (family: Family, kinds: readonly FaultKind[]) => kinds.map((kind) => ({ ...kind, family }));

export const allFaults: readonly KnownFault[] = [
  ...of("processes", processFaults),
  ...of("network", networkFaults),
  ...of("zookeeper", zookeeperFaults),
  ...of("disks", diskFaults),
  ...of("machines", machineFaults),
  ...of("processes", growthFaults),
];
