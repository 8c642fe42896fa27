import { diskFaults } from "./disks.ts";
import type { FaultKind } from "./fault.ts";
import { networkFaults } from "./network.ts";
import { processFaults } from "./processes.ts";
import { zookeeperFaults } from "./zookeeper.ts";

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

export const allFaults: readonly FaultKind[] = [...processFaults, ...networkFaults, ...zookeeperFaults, ...diskFaults, ...leftOut];
