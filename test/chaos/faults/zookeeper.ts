import { opensSession, type ZookeeperNode } from "../stage/zookeeper-node.ts";
import { afterSession, type FaultKind, namesOf, type Ongoing, type Plan, pick, type Stage, soon } from "./fault.ts";

type Choice = (stage: Stage, plan: Plan) => Promise<readonly ZookeeperNode[]>;

const boundMs = soon;
/** An election among the servers, connections that find the new one, and sessions that expired while nobody could say so. */
const afterQuorum = (sessionTimeoutMs: number) => afterSession(sessionTimeoutMs) + 5_000;
const awhile = [1_000, 8_000] as const;

async function leaderOf({ cluster }: Stage): Promise<ZookeeperNode> {
  const modes = await Promise.all(cluster.zookeepers.map(async (server) => ({ server, mode: await server.mode() })));
  return (modes.find(({ mode }) => mode === "leader") ?? modes[0])?.server as ZookeeperNode;
}

const leader: Choice = async (stage) => [await leaderOf(stage)];
const follower: Choice = async (stage, { picks }) => {
  const leading = await leaderOf(stage);
  return [
    pick(
      stage.cluster.zookeepers.filter((server) => server !== leading),
      picks[0],
    ),
  ];
};
/** With the leader or without it: either way no majority is left. */
const majority: Choice = async ({ cluster }, { picks }) => {
  const spared = pick(cluster.zookeepers, picks[0]);
  return cluster.zookeepers.filter((server) => server !== spared);
};

/** As those of the servers of Kafka's own set-ups: a session is opened within a second, or a few on a busy machine. */
const commitsMaxMs = 20_000;

/**
 * Of servers that say they serve. To open a session is a change that a majority has to commit, so it tells whether they do. ZooKeeper 3.8.0
 * stood still after a fault now and then, every thread of it idle, until its leader was restarted: what an operator does then is done here,
 * and told. What is claimed of the brokers counts from then on.
 */
async function commitAgain(stage: Stage): Promise<void> {
  const { cluster } = stage;
  await Promise.all(cluster.zookeepers.map((server) => server.serving()));
  if (await opensSession(cluster.zookeepers, commitsMaxMs)) return;
  const leading = await leaderOf(stage);
  stage.tell(
    `ZooKeeper itself stands still: it has opened no session for ${commitsMaxMs / 1_000} s. Its leader, ${leading.name}, is restarted`,
  );
  await leading.kill();
  await leading.launch();
  await leading.serving();
  if (!(await opensSession(cluster.zookeepers, commitsMaxMs))) throw new Error("ZooKeeper does not commit, though it says it serves");
}

function killing(choose: Choice): FaultKind["begin"] {
  return async (stage, plan): Promise<Ongoing> => {
    const victims = await choose(stage, plan);
    await Promise.all(victims.map((server) => server.kill()));
    const end = async () => {
      await Promise.all(victims.map((server) => server.launch()));
      await commitAgain(stage);
    };
    return { targets: namesOf(victims), end };
  };
}

function stopping(choose: Choice): FaultKind["begin"] {
  return async (stage, plan): Promise<Ongoing> => {
    const victims = await choose(stage, plan);
    for (const server of victims) server.signal("SIGSTOP");
    const end = async () => {
      for (const server of victims) server.signal("SIGCONT");
      await commitAgain(stage);
    };
    return { targets: namesOf(victims), end };
  };
}

async function cutFromServers(stage: Stage, plan: Plan): Promise<Ongoing> {
  const [victim] = (await (plan.picks[1] < 0.5 ? leader(stage, plan) : follower(stage, plan))) as [ZookeeperNode];
  const others = stage.cluster.zookeepers.filter((server) => server !== victim);
  const heal = await stage.cluster.network.cut({ at: victim.name, from: namesOf(others), direction: "both", manner: "silent" });
  const end = async () => {
    await heal();
    await commitAgain(stage);
  };
  return { targets: [victim.name], end };
}

export const zookeeperFaults: readonly FaultKind[] = [
  { name: "zookeeper-kill", what: "SIGKILL of a ZooKeeper server that follows", durationMs: awhile, boundMs, begin: killing(follower) },
  { name: "zookeeper-leader-kill", what: "SIGKILL of the one that leads", durationMs: awhile, boundMs, begin: killing(leader) },
  { name: "zookeeper-stop", what: "SIGSTOP of a ZooKeeper server that follows", durationMs: awhile, boundMs, begin: stopping(follower) },
  { name: "zookeeper-leader-stop", what: "SIGSTOP of the one that leads", durationMs: awhile, boundMs, begin: stopping(leader) },
  {
    name: "zookeeper-majority-kill",
    what: "two of three ZooKeeper servers are killed",
    durationMs: [2_000, 12_000],
    boundMs: afterQuorum,
    begin: killing(majority),
  },
  {
    name: "zookeeper-majority-stop",
    what: "two of three are stopped",
    durationMs: [2_000, 12_000],
    boundMs: afterQuorum,
    begin: stopping(majority),
  },
  {
    name: "zookeeper-cut",
    what: "a ZooKeeper server is cut off from the others, not from brokers",
    needs: "cuts",
    durationMs: [2_000, 12_000],
    boundMs,
    begin: cutFromServers,
  },
];
