import { setTimeout as sleep } from "node:timers/promises";
import type { BrokerNode } from "../stage/broker-node.ts";
import type { Cluster } from "../stage/cluster.ts";
import type { CutManner } from "../stage/network.ts";
import type { Overseer } from "./overseer.ts";

export interface Scene {
  readonly cluster: Cluster;
  readonly overseer: Overseer;
  readonly victim: BrokerNode;
}

/** One kind of fault, made once in each trial. */
export interface TrialKind {
  readonly name: string;
  readonly what: string;
  /** What must be true of the victim: it is the controller, or it is not. */
  readonly victim: "leader" | "controller";
  /** Partitions of every broker are concerned, not the victim's alone. */
  readonly concernsAll?: boolean;
  readonly needsCuts?: boolean;
  /** Before anything is measured. */
  readonly prepare?: (scene: Scene) => Promise<void>;
  /** The fault. What it does at one moment it does first. */
  begin(scene: Scene): Promise<void>;
  /** Back to normal. Afterwards every broker runs and can be reached. */
  end(scene: Scene): Promise<void>;
}

const shortCutMs = 5_000;
const nothing = () => Promise.resolve();
const kill = ({ victim }: Scene) => victim.kill();
const restart = ({ victim }: Scene) => victim.start();

/** A cut from some nodes, both ways and silently, and what heals it. */
function cutFrom(others: (scene: Scene) => string[]): Pick<TrialKind, "begin" | "end" | "needsCuts"> {
  let heal: () => Promise<void> = nothing;
  return {
    needsCuts: true,
    begin: async (scene) => {
      const { cluster, victim } = scene;
      heal = await cluster.network.cut({ at: victim.name, from: others(scene), direction: "both", manner: "silent" });
    },
    end: () => heal(),
  };
}

function stopped(): Pick<TrialKind, "begin" | "end"> {
  return {
    begin: async ({ victim }) => victim.signal("SIGSTOP"),
    end: async ({ victim }) => victim.signal("SIGCONT"),
  };
}

/**
 * A cut that is healed before anybody is given up: what counts is how soon everybody notices that it is over. After a stall, clients have
 * sent all that they send without an answer, and then have no packet on their way that could tell them of the cut.
 */
function shortCut(manner: CutManner, stallMs = 0): Pick<TrialKind, "begin" | "end" | "needsCuts"> {
  return {
    needsCuts: true,
    begin: async (scene) => {
      const { cluster, victim } = scene;
      if (stallMs > 0) victim.signal("SIGSTOP");
      await sleep(stallMs);
      const heal = await cluster.network.cut({ at: victim.name, from: fromAll(scene), direction: "both", manner });
      victim.signal("SIGCONT");
      await sleep(shortCutMs);
      await heal();
    },
    end: nothing,
  };
}

const fromAll = (scene: Scene) => scene.cluster.othersThan(scene.victim);
const fromPeers = (scene: Scene) => scene.cluster.peersOf(scene.victim);

export const trialKinds: readonly TrialKind[] = [
  { name: "kill-leader", what: "SIGKILL of a leader that is not the controller", victim: "leader", begin: kill, end: restart },
  {
    name: "kill-controller-and-leader",
    what: "SIGKILL of the controller, which leads, too",
    victim: "controller",
    begin: kill,
    end: restart,
  },
  { name: "cut-leader-silently", what: "a leader is cut off from everything, and nobody is told", victim: "leader", ...cutFrom(fromAll) },
  { name: "cut-controller-silently", what: "the same of the controller", victim: "controller", ...cutFrom(fromAll) },
  { name: "stop-leader", what: "SIGSTOP of a leader", victim: "leader", ...stopped() },
  { name: "stop-controller", what: "the same of the controller", victim: "controller", ...stopped() },
  {
    name: "cut-leader-from-peers",
    what: "a leader is cut off from the other brokers alone",
    victim: "leader",
    concernsAll: true,
    ...cutFrom(fromPeers),
  },
  { name: "cut-controller-from-peers", what: "the same of the controller", victim: "controller", concernsAll: true, ...cutFrom(fromPeers) },
  { name: "short-cut", what: "a leader is cut off from everything for 5 s, silently", victim: "leader", ...shortCut("silent") },
  { name: "short-cut-reset", what: "the same, and every packet is answered with a reset", victim: "leader", ...shortCut("reset") },
  {
    name: "short-cut-after-stall",
    what: "the same of one that was stopped for 0.3 s before",
    victim: "leader",
    ...shortCut("reset", 300),
  },
  {
    name: "controlled-shutdown",
    what: "SIGTERM of a leader: it hands over before it goes",
    victim: "leader",
    begin: async ({ victim }) => void (await victim.shutDown()),
    end: restart,
  },
  {
    name: "planned-move",
    what: "a third of the leaderships moves to the preferred leader",
    victim: "leader",
    prepare: async ({ victim, overseer }) => {
      await victim.shutDown();
      await victim.start();
      await overseer.allInSync();
    },
    begin: async ({ overseer }) => overseer.electPreferred(),
    end: nothing,
  },
  {
    name: "rolling-restart",
    what: "SIGTERM and start of every broker, one after the other, once all are in sync",
    victim: "leader",
    concernsAll: true,
    begin: async ({ cluster, overseer }) => {
      for (const broker of cluster.brokers) {
        await broker.shutDown();
        await broker.start();
        await overseer.allInSync();
        await sleep(500);
      }
    },
    end: nothing,
  },
];
