import type { BrokerNode } from "../stage/broker-node.ts";
import type { CutDirection, CutManner } from "../stage/network.ts";
import { type FaultKind, type Ongoing, othersGoOnMs, type Plan, pick, type Stage, soon } from "./fault.ts";

interface CutKind {
  readonly name: string;
  readonly what: string;
  /** Names of the nodes that it is cut off from. */
  readonly from: (stage: Stage, victim: BrokerNode, plan: Plan) => readonly string[];
  readonly victim?: (stage: Stage) => Promise<BrokerNode>;
  readonly direction?: CutDirection;
  readonly manner?: CutManner;
}

const cutMs = [2_000, 12_000] as const;
const slowKilobits = 500;

const all = ({ cluster }: Stage, victim: BrokerNode) => cluster.othersThan(victim);
const peers = ({ cluster }: Stage, victim: BrokerNode) => cluster.peersOf(victim);
const zookeepers = ({ cluster }: Stage) => cluster.zookeepers.map(({ name }) => name);
const clients = ({ cluster }: Stage) => [cluster.network.outside];
const onePeer = (stage: Stage, victim: BrokerNode, { picks }: Plan) => [pick(peers(stage, victim), picks[1])];
const controller = (stage: Stage) => stage.controller();

const cuts: readonly CutKind[] = [
  { name: "cut-from-all", what: "a broker is cut off from everything, silently", from: all },
  { name: "cut-from-all-reset", what: "the same, and every packet is answered with a reset", from: all, manner: "reset" },
  { name: "cut-controller-from-all", what: "the controller is cut off from everything, silently", from: all, victim: controller },
  { name: "cut-from-peers", what: "a broker is cut off from the other brokers alone", from: peers },
  { name: "cut-controller-from-peers", what: "the same of the controller", from: peers, victim: controller },
  { name: "cut-from-peers-outward", what: "the other brokers do not hear a broker, which hears them", from: peers, direction: "out" },
  { name: "cut-from-peers-inward", what: "a broker does not hear the others, which hear it", from: peers, direction: "in" },
  { name: "cut-from-peers-reset", what: "a broker's connections to the others are reset", from: peers, manner: "reset" },
  { name: "cut-from-zookeeper", what: "a broker is cut off from ZooKeeper alone", from: zookeepers },
  { name: "cut-from-zookeeper-inward", what: "a broker does not hear ZooKeeper, which hears it", from: zookeepers, direction: "in" },
  { name: "cut-from-clients", what: "a broker is cut off from the clients alone", from: clients },
  { name: "cut-pair", what: "two brokers are cut off from each other", from: onePeer },
  { name: "cut-pair-one-way", what: "a broker does not hear one of the others", from: onePeer, direction: "in" },
  { name: "cut-pair-reset", what: "the connections between two brokers are reset", from: onePeer, manner: "reset" },
  { name: "lossy-link", what: "three in ten packets to and from a broker are lost", from: all, manner: "lossy" },
];

/** One that only its clients, ZooKeeper or one of the others cannot reach goes on leading. */
function isReplaced({ from, manner }: CutKind): boolean {
  return (from === all || from === peers) && manner !== "lossy";
}

function cutFault(cut: CutKind): FaultKind {
  const { name, what, from, victim: choose, direction = "both", manner = "silent" } = cut;
  const begin = async (stage: Stage, plan: Plan): Promise<Ongoing> => {
    const victim = choose === undefined ? pick(stage.cluster.brokers, plan.picks[0]) : await choose(stage);
    const end = await stage.cluster.network.cut({ at: victim.name, from: from(stage, victim, plan), direction, manner });
    return { targets: [victim.name], end };
  };
  const bounds = { ...(isReplaced(cut) ? { silenceMaxMs: othersGoOnMs } : {}), boundMs: soon };
  return { name, what, needs: "cuts", mayOutlastSession: manner === "silent", durationMs: cutMs, ...bounds, begin };
}

export const networkFaults: readonly FaultKind[] = [
  ...cuts.map(cutFault),
  {
    name: "slow-link",
    what: `a broker's link passes ${slowKilobits} kbit/s`,
    needs: "cuts",
    durationMs: [3_000, 12_000],
    boundMs: soon,
    begin: async ({ cluster }, { picks }) => {
      const victim = pick(cluster.brokers, picks[0]);
      return { targets: [victim.name], end: await cluster.network.slow(victim.name, slowKilobits) };
    },
  },
];
