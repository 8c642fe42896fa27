import { setTimeout as sleep } from "node:timers/promises";
import type { BrokerNode } from "../stage/broker-node.ts";
import { type FaultKind, namesOf, type Ongoing, othersGoOnMs, type Plan, pick, type Stage, soon } from "./fault.ts";

const startAttempts = 5;
/** A start takes so long or longer; a kill in between finds it at any step. */
const startMs = 2_500;
const stopMs = 400;

/** One that ended by itself meanwhile, which is told elsewhere, is started again. */
export async function startAgain(broker: BrokerNode): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (broker.pid === null) await broker.launch();
      await broker.untilReady();
      return;
    } catch (error) {
      if (attempt === startAttempts) throw error;
      await sleep(1_000);
    }
  }
}

type Choice = (stage: Stage, plan: Plan) => Promise<readonly BrokerNode[]>;

const anyBroker: Choice = async ({ cluster }, { picks }) => [pick(cluster.brokers, picks[0])];
const controller: Choice = async (stage) => [await stage.controller()];
const twoBrokers: Choice = async ({ cluster }, { picks }) => {
  const first = pick(cluster.brokers, picks[0]);
  return [
    first,
    pick(
      cluster.brokers.filter((broker) => broker !== first),
      picks[1],
    ),
  ];
};
const controllerAndAnother: Choice = async (stage, { picks }) => {
  const first = await stage.controller();
  return [
    first,
    pick(
      stage.cluster.brokers.filter((broker) => broker !== first),
      picks[1],
    ),
  ];
};

function killing(choose: Choice): FaultKind["begin"] {
  return async (stage, plan) => {
    const victims = await choose(stage, plan);
    await Promise.all(victims.map((broker) => broker.kill()));
    return { targets: namesOf(victims), end: async () => void (await Promise.all(victims.map(startAgain))) };
  };
}

function stopping(choose: Choice): FaultKind["begin"] {
  return async (stage, plan) => {
    const victims = await choose(stage, plan);
    for (const broker of victims) {
      stage.allowLateStop(broker);
      broker.signal("SIGSTOP");
    }
    return {
      targets: namesOf(victims),
      end: async () => {
        for (const broker of victims) broker.signal("SIGCONT");
      },
    };
  };
}

async function restart(stage: Stage, plan: Plan): Promise<Ongoing> {
  const victims = await anyBroker(stage, plan);
  for (const broker of victims) await broker.shutDown();
  return { targets: namesOf(victims), end: async () => void (await Promise.all(victims.map(startAgain))) };
}

async function killDuringStart(stage: Stage, plan: Plan): Promise<Ongoing> {
  const [victim] = (await anyBroker(stage, plan)) as [BrokerNode];
  await victim.kill();
  for (const choice of plan.picks.slice(1, 3)) {
    await victim.launch();
    await sleep(choice * startMs);
    await victim.kill();
  }
  return { targets: [victim.name], end: () => startAgain(victim) };
}

async function killDuringStop(stage: Stage, plan: Plan): Promise<Ongoing> {
  const [victim] = (await anyBroker(stage, plan)) as [BrokerNode];
  victim.signal("SIGTERM");
  await sleep(plan.picks[1] * stopMs);
  await victim.kill();
  return { targets: [victim.name], end: () => startAgain(victim) };
}

async function rollingRestart(stage: Stage): Promise<Ongoing> {
  for (const broker of stage.cluster.brokers) {
    await broker.shutDown();
    await startAgain(broker);
    await stage.allInSync();
  }
  return { targets: namesOf(stage.cluster.brokers), end: async () => {} };
}

const awhile = [1_000, 8_000] as const;
const boundMs = soon;
const silenceMaxMs = othersGoOnMs;

export const processFaults: readonly FaultKind[] = [
  {
    name: "kill",
    mayOutlastSession: true,
    what: "SIGKILL of a broker, and a restart a while later",
    durationMs: awhile,
    silenceMaxMs,
    boundMs,
    begin: killing(anyBroker),
  },
  {
    name: "kill-controller",
    mayOutlastSession: true,
    what: "the same of the controller",
    durationMs: awhile,
    silenceMaxMs,
    boundMs,
    begin: killing(controller),
  },
  {
    name: "kill-two",
    mayOutlastSession: true,
    what: "SIGKILL of two brokers at once",
    durationMs: awhile,
    boundMs,
    begin: killing(twoBrokers),
  },
  {
    name: "kill-controller-and-another",
    what: "SIGKILL of the controller and another broker at once",
    durationMs: awhile,
    boundMs,
    begin: killing(controllerAndAnother),
  },
  {
    name: "quick-restart",
    what: "SIGKILL of a broker, and a restart at once",
    durationMs: [0, 50],
    silenceMaxMs,
    boundMs,
    begin: killing(anyBroker),
  },
  {
    name: "stop",
    mayOutlastSession: true,
    what: "SIGSTOP of a broker, and SIGCONT later",
    durationMs: [2_000, 10_000],
    silenceMaxMs,
    boundMs,
    begin: stopping(anyBroker),
  },
  {
    name: "stop-controller",
    mayOutlastSession: true,
    what: "the same of the controller",
    durationMs: [2_000, 10_000],
    silenceMaxMs,
    boundMs,
    begin: stopping(controller),
  },
  { name: "stop-two", what: "SIGSTOP of two brokers at once", durationMs: [2_000, 10_000], boundMs, begin: stopping(twoBrokers) },
  { name: "restart", what: "SIGTERM of a broker, and a start later", durationMs: [0, 3_000], silenceMaxMs, boundMs, begin: restart },
  {
    name: "kill-during-start",
    what: "a broker is killed while it starts, twice",
    durationMs: [0, 1_000],
    silenceMaxMs,
    boundMs,
    begin: killDuringStart,
  },
  {
    name: "kill-during-stop",
    what: "a broker is killed while it stops",
    durationMs: [0, 3_000],
    silenceMaxMs,
    boundMs,
    begin: killDuringStop,
  },
  {
    name: "rolling-restart",
    what: "every broker, one after the other, once all are in sync",
    isAlone: true,
    durationMs: [0, 0],
    silenceMaxMs,
    boundMs,
    begin: rollingRestart,
  },
];
