import { diskFaults } from "./disks.ts";
import type { Family, FaultKind } from "./fault.ts";
import { networkFaults } from "./network.ts";
import { processFaults } from "./processes.ts";
import { zookeeperFaults } from "./zookeeper.ts";

export type KnownFault = FaultKind & { readonly family: Family };

const notBuilt = () => Promise.reject(new Error("left out"));

/** Known, and not made: what they need is not there, and what would make them is not written. */
const leftOut: readonly FaultKind[] = [
  {
    name: "clock-jump",
    what: "a broker's wall clock is set forward and back",
    needs: "fake clocks",
    durationMs: [0, 0],
    boundMs: () => 0,
    begin: notBuilt,
  },
  {
    name: "memory-limit",
    what: "a broker may use little memory",
    needs: "memory limits",
    durationMs: [0, 0],
    boundMs: () => 0,
    begin: notBuilt,
  },
];

const of = (family: Family, kinds: readonly FaultKind[]) => kinds.map((kind) => ({ ...kind, family }));

export const allFaults: readonly KnownFault[] = [
  ...of("processes", processFaults),
  ...of("network", networkFaults),
  ...of("zookeeper", zookeeperFaults),
  ...of("disks", diskFaults),
  ...of("processes", leftOut),
];
