import { plain } from "./plan.ts";
import type { SimBroker } from "./sim-broker.ts";
import { partitions, World } from "./world.ts";

/** Kafka's default: whatever is quicker than this did not wait for it. */
const sessionTimeoutMs = 18_000;
const suspectTimeoutMs = 1_000;
/** To each partition in turn. */
const sendEveryMs = 25;

/** The brokers, by the part that they play in one partition. */
export interface SceneCast {
  readonly world: World;
  readonly partition: number;
  readonly leader: SimBroker;
  readonly controller: SimBroker;
  /** Neither leads the partition nor is the controller. */
  readonly third: SimBroker;
  readonly sleep: (ms: number) => Promise<void>;
}

export interface FailoverScene {
  /** Whether the leader that the scene is about is the controller as well. */
  readonly leaderControls: boolean;
  /** The longest time without an acknowledgement to a producer with acks=all, in any partition. */
  readonly gapMaxMs: number;
  /** How often the leadership of the partition may change hands, at most. */
  readonly movesMax: number;
  readonly play: (cast: SceneCast) => Promise<void>;
}

/** A dead process is noticed at once, but its clients have to find out who leads now. */
const atOnceMs = 250;
/** And a silent one after a while. */
const silentMs = suspectTimeoutMs + 700;

const cutFromPeers = ({ world }: SceneCast, broker: SimBroker) => {
  for (const other of world.brokers) if (other !== broker) world.network.cut(broker.host, other.host);
};

/** As long as a disk may take for one write, and until others know that it does. */
const stuckMs = 3_000 + silentMs;

const diskHangs = async ({ sleep }: SceneCast, broker: SimBroker) => {
  const heal = broker.hangDisk();
  await sleep(9_000);
  heal();
};

const suspended = async ({ leader, sleep }: SceneCast) => {
  leader.pause();
  await sleep(5_000);
  leader.resume();
};

const cutOffAWhile = async (cast: SceneCast, broker: SimBroker) => {
  cutFromPeers(cast, broker);
  await cast.sleep(6_000);
  cast.world.network.healAll();
};

export const failoverScenes: Readonly<Record<string, FailoverScene>> = {
  "a leader is killed": {
    leaderControls: false,
    gapMaxMs: atOnceMs,
    movesMax: 1,
    play: async ({ leader }) => leader.crash("kill"),
  },
  "the controller, which leads, is killed": {
    leaderControls: true,
    gapMaxMs: atOnceMs,
    movesMax: 1,
    play: async ({ leader }) => leader.crash("kill"),
  },
  "a follower is killed": {
    leaderControls: false,
    gapMaxMs: atOnceMs,
    movesMax: 0,
    play: async ({ third }) => third.crash("kill"),
  },
  "a leader is suspended, and goes on later": {
    leaderControls: false,
    gapMaxMs: silentMs,
    movesMax: 1,
    play: suspended,
  },
  "the controller, which leads, is suspended, and goes on later": {
    leaderControls: true,
    gapMaxMs: silentMs,
    movesMax: 1,
    play: suspended,
  },
  "a leader's machine is gone without a word": {
    leaderControls: false,
    gapMaxMs: silentMs,
    movesMax: 1,
    play: async ({ world, leader }) => world.losePower(leader, "power-silent"),
  },
  "a leader is cut off from the other brokers alone": {
    leaderControls: false,
    gapMaxMs: silentMs,
    movesMax: 1,
    play: (cast) => cutOffAWhile(cast, cast.leader),
  },
  "the controller, which leads, is cut off from the other brokers alone": {
    leaderControls: true,
    gapMaxMs: silentMs,
    movesMax: 1,
    play: (cast) => cutOffAWhile(cast, cast.leader),
  },
  "a leader is cut off from the controller alone": {
    leaderControls: false,
    gapMaxMs: silentMs,
    movesMax: 1,
    play: async ({ world, leader, controller, sleep }) => {
      world.network.cut(leader.host, controller.host);
      await sleep(6_000);
      world.network.healAll();
    },
  },
  "a follower is cut off from the other brokers alone": {
    leaderControls: false,
    gapMaxMs: silentMs,
    movesMax: 0,
    play: (cast) => cutOffAWhile(cast, cast.third),
  },
  "a leader's disk hangs": {
    leaderControls: false,
    gapMaxMs: stuckMs,
    movesMax: 1,
    play: (cast) => diskHangs(cast, cast.leader),
  },
  "the disk of the controller, which leads, hangs": {
    leaderControls: true,
    gapMaxMs: stuckMs,
    movesMax: 1,
    play: (cast) => diskHangs(cast, cast.leader),
  },
  "a follower's disk hangs": {
    leaderControls: false,
    gapMaxMs: stuckMs,
    movesMax: 0,
    play: (cast) => diskHangs(cast, cast.third),
  },
  "the link between a leader and the controller comes and goes": {
    leaderControls: false,
    gapMaxMs: silentMs,
    movesMax: 1,
    play: async ({ world, leader, controller, sleep }) => {
      for (let round = 0; round < 5; round++) {
        world.network.cut(leader.host, controller.host);
        await sleep(1_600);
        world.network.healAll();
        await sleep(900);
      }
    },
  },
  "every broker is suspended for a moment, one after the other": {
    leaderControls: false,
    gapMaxMs: silentMs,
    movesMax: 0,
    play: async ({ leader, controller, third, sleep }) => {
      for (const broker of [controller, leader, third, controller]) {
        broker.pause();
        await sleep(0.7 * suspectTimeoutMs);
        broker.resume();
        await sleep(300);
      }
    },
  },
};

export interface Played {
  /** What is wrong; empty: nothing. */
  readonly faults: readonly string[];
  /** The longest time without an acknowledgement, in any partition. */
  readonly gapMs: number;
}

export async function playFailover(scene: FailoverScene, seed: number): Promise<Played> {
  const world = new World(seed, null, {}, { ...plain, sessionTimeoutMs });
  const { brokers, workload, checker, observer } = world;
  const must = async (what: string, condition: () => boolean, limitMs = 60_000) => {
    if (!(await world.until(condition, limitMs))) throw new Error(`${what}: ${[...world.violations, ...world.trace.latest].join("\n")}`);
  };
  for (const broker of brokers) broker.start();
  await must("start", () => brokers.every(({ isReady }) => isReady));
  void workload.createTopic({ "min.insync.replicas": "2" }).then(() => workload.startConsuming());
  await must("topic", () => world.isConverged);
  const cast = castOf(world, scene.leaderControls);
  if (cast === null) return { faults: [], gapMs: 0 };
  const sending = new Sending(world);
  sending.start();
  await must("records", () => sending.count > 100);
  const epochBefore = observer.state(cast.partition)?.leaderEpoch ?? 0;
  sending.reset();
  await scene.play(cast);
  await world.until(() => sending.look(), 4_000);
  const moves = (observer.state(cast.partition)?.leaderEpoch ?? 0) - epochBefore;
  const gapMs = sending.longestMs;
  sending.stop();
  for (const broker of brokers) broker.start();
  await must("convergence", () => workload.isSettled && world.isConverged && checker.areAlike());
  await must("reading", () => workload.sends.every(({ partition, offset }) => checker.consumedEnd(partition) > offset));
  checker.finish(workload.sends);
  const faults = [
    ...world.violations,
    ...(gapMs > scene.gapMaxMs ? [`${Math.round(gapMs)} ms without an acknowledgement`] : []),
    ...(moves > scene.movesMax ? [`the leadership moved ${moves} times`] : []),
    ...(workload.sends.some(({ state }) => state !== "acknowledged") ? ["a record was not acknowledged"] : []),
  ];
  return { faults, gapMs };
}

/** Null: with this seed no partition is led as the scene needs it. */
function castOf(world: World, leaderControls: boolean): SceneCast | null {
  const { brokers, observer, clock } = world;
  const controller = brokers.find(({ id }) => id === observer.controllerId);
  const partition = Array.from({ length: partitions }, (_, index) => index).find(
    (index) => (observer.state(index)?.leader === controller?.id) === leaderControls,
  );
  const leader = brokers.find(({ id }) => partition !== undefined && id === observer.state(partition)?.leader);
  const third = brokers.find((broker) => broker !== leader && broker !== controller);
  if (controller === undefined || partition === undefined || leader === undefined || third === undefined) return null;
  // the simulation goes on meanwhile
  const sleep = async (ms: number) => {
    const endMs = clock.nowMs + ms;
    await world.until(() => clock.nowMs >= endMs, ms + 1);
  };
  return { world, partition, leader, controller, third, sleep };
}

/** A producer that keeps sending to every partition, and how long each of them went without an acknowledgement. */
class Sending {
  readonly #world: World;
  readonly #lastMs: number[] = [];
  #number = 0;
  #isStopped = false;
  longestMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get count(): number {
    return this.#number;
  }

  start(): void {
    const { clock, workload } = this.#world;
    this.reset();
    const next = () => {
      if (this.#isStopped) return;
      const partition = this.#number++ % partitions;
      void workload.send(`f${this.#number}:`, partition).then(() => this.#acknowledged(partition));
      clock.schedule("producer", sendEveryMs / partitions, next);
    };
    next();
  }

  reset(): void {
    this.#lastMs.splice(0, partitions, ...Array.from({ length: partitions }, () => this.#world.clock.nowMs));
    this.longestMs = 0;
  }

  /** Counts the time since the last one, too. Never true: to be called while the simulation goes on. */
  look(): boolean {
    for (let partition = 0; partition < partitions; partition++) this.#note(partition);
    return false;
  }

  stop(): void {
    this.#isStopped = true;
  }

  #acknowledged(partition: number): void {
    this.#note(partition);
    this.#lastMs[partition] = this.#world.clock.nowMs;
  }

  #note(partition: number): void {
    if (!this.#isStopped) this.longestMs = Math.max(this.longestMs, this.#world.clock.nowMs - (this.#lastMs[partition] ?? 0));
  }
}
