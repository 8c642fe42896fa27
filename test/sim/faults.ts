import { randomInt } from "../../protocol/base/random.ts";
import type { DiskOperationKind } from "../support/memory-files.ts";
import { rot } from "./rot.ts";
import { Stage } from "./schemes/scheme.ts";
import { schemes } from "./schemes/schemes.ts";
import { logDirectories, type SimBroker } from "./sim-broker.ts";
import { transactionClients } from "./transaction-workload.ts";
import type { Trouble } from "./troubles/trouble.ts";
import { troublesOf } from "./troubles/troubles.ts";
import { partitions, type World } from "./world.ts";

/** What can go wrong, with the weight with which it is chosen. */
const kinds = {
  kill: 5,
  power: 6,
  pause: 4,
  cutLink: 5,
  cutCoordinator: 3,
  coordinatorFault: 5,
  stopCoordinator: 1,
  slowNetwork: 2,
  stopCleanly: 3,
  killAll: 1,
  powerAll: 3,
  rot: 5,
  failDirectory: 3,
  deleteRecords: 3,
  moveReplica: 5,
} as const;

type FaultKind = keyof typeof kinds;

export const faultKinds = Object.keys(kinds) as readonly FaultKind[];

const diskFailures: readonly (readonly [what: string, code: string, kinds: readonly DiskOperationKind[] | null])[] = [
  ["nothing works any more", "EIO", null],
  ["it is full", "ENOSPC", ["write", "makeDirectory"]],
  ["what was written cannot be forced to disk", "EIO", ["sync", "syncDirectory"]],
  ["it is read-only", "EROFS", ["write", "rename", "remove", "makeDirectory", "truncate"]],
];

const clients = ["producer", "hasty", "consumer"];

/** By seed: one fault after the other, each of which ends by itself, until `heal`. */
export class Faults {
  readonly #world: World;
  readonly #troubles: readonly Trouble[];
  readonly #counts: Record<string, number> = {};
  #isOver = false;

  constructor(world: World) {
    this.#world = world;
    this.#troubles = troublesOf(world, (kind) => this.#count(kind));
  }

  start(gapMaxMs: number): void {
    const { clock, random } = this.#world;
    const next = () => {
      if (this.#isOver) return;
      const kind = this.#choose();
      if (this.#inject(kind)) this.#count(kind);
      clock.schedule("faults", random.next() * gapMaxMs, next);
    };
    clock.schedule("faults", random.next() * gapMaxMs, next);
    for (const trouble of this.#troubles) trouble.start();
  }

  /**
   * One scheme after the other. Mostly the same one, because few reach their situation at the first attempt. `only`: the one of that name.
   */
  async startSchemes(only: string | null): Promise<void> {
    const { random, plan } = this.#world;
    const asked = schemes.filter(({ name }) => only === null || name === only);
    if (asked.length === 0) throw new Error(`no scheme is called ${only}; there are ${schemes.map(({ name }) => name).join(", ")}`);
    const playable = asked.filter(({ needs }) => needs === undefined || plan[needs]);
    if (playable.length === 0) return;
    const stage = new Stage(this.#world, random, () => this.#isOver);
    // a scheme that needs a group or a topic of its own is played only if there is one
    const special = playable.filter(({ needs }) => needs !== undefined);
    const choice = special.length > 0 && this.#flip() ? special : playable;
    const favourite = choice[randomInt(random, choice.length)]!;
    for (;;) {
      await stage.sleep(200 + random.next() * 1000);
      if (this.#isOver) return;
      const scheme = random.next() < 0.7 ? favourite : playable[randomInt(random, playable.length)]!;
      if (this.#world.isInDanger) continue;
      this.#world.trace.line(`scheme ${scheme.name}`);
      if (await scheme.run(stage)) this.#count(scheme.name);
    }
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  /** Ends all faults: every broker runs, every link works. */
  heal(): void {
    this.#isOver = true;
    const { network, ensemble, brokers, trace } = this.#world;
    trace.line("healed");
    for (const trouble of this.#troubles) trouble.heal();
    for (let partition = 0; partition < partitions; partition++) this.#world.workload.spare(partition, false);
    network.healAll();
    network.setDelays({ delayMinMs: 0.1, delayMaxMs: 2 });
    this.#world.coordinatorDelayMs = 0;
    ensemble.start();
    for (const broker of brokers) {
      broker.healCoordinator();
      broker.resume();
      if (broker.hasDiskFailure) this.#repairDisk(broker);
      broker.supervise();
    }
  }

  #count(kind: string): void {
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
  }

  #choose(): FaultKind {
    const all = Object.entries(kinds) as [FaultKind, number][];
    let left = randomInt(
      this.#world.random,
      all.reduce((sum, [, weight]) => sum + weight, 0),
    );
    for (const [kind, weight] of all) {
      left -= weight;
      if (left < 0) return kind;
    }
    return "kill";
  }

  #inject(kind: FaultKind): boolean {
    switch (kind) {
      case "kill":
        return this.#crash(this.#victim(), "kill");
      case "power":
        return this.#crash(this.#victim(), this.#flip() ? "power" : "power-silent");
      case "pause":
        return this.#pause(this.#victim());
      case "cutLink":
        return this.#cutLink();
      case "cutCoordinator":
        return this.#cutCoordinator(this.#victim());
      case "coordinatorFault":
        return this.#coordinatorFault(this.#victim());
      case "stopCoordinator":
        return this.#stopCoordinator();
      case "slowNetwork":
        return this.#slowNetwork();
      case "stopCleanly":
        return this.#stopCleanly(this.#victim());
      case "killAll":
        return this.#world.isInDanger ? false : this.#crashAll("kill");
      case "powerAll":
        return this.#world.plan.isFlushed && !this.#world.isInDanger ? this.#crashAll("power") : false;
      case "rot":
        return this.#world.plan.mayRot ? this.#rot() : false;
      case "deleteRecords":
        return this.#deleteRecords();
      case "failDirectory":
        return this.#failDirectory(this.#victim());
      case "moveReplica":
        return this.#moveReplica(this.#victim());
    }
  }

  /** No fault by itself: other faults happen in the middle of it. */
  #moveReplica(broker: SimBroker): boolean {
    const { random, workload } = this.#world;
    if (!broker.isReady) return false;
    const directory = logDirectories[randomInt(random, logDirectories.length)]!;
    void workload.moveReplica(broker.id, randomInt(random, partitions), directory);
    return true;
  }

  /** No fault, but it must work amid faults: records that everybody has read are deleted. */
  #deleteRecords(): boolean {
    const { random, checker, workload, near, plan } = this.#world;
    // rot below the log start offset, in a segment that stays, does not matter, and would look like damage here
    if (plan.mayRot || plan.hasGroup) return false;
    const partition = randomInt(random, partitions);
    const readEnd = Math.min(checker.consumedEnd(partition), near?.readEnd(partition) ?? Number.POSITIVE_INFINITY);
    const beforeOffset = randomInt(random, readEnd + 1);
    checker.deletes(partition, beforeOffset);
    void workload.deleteRecords(partition, beforeOffset);
    return true;
  }

  /** One of a broker's disks fails, in one of the ways in which disks do, until somebody repairs it and restarts the broker. */
  #failDirectory(broker: SimBroker): boolean {
    const { random, trace } = this.#world;
    if (!broker.isUp || broker.hasDiskFailure || !this.#world.mayTakeAway(broker, false)) return false;
    const directory = logDirectories[randomInt(random, logDirectories.length)]!;
    const [what, code, kinds] = diskFailures[randomInt(random, diskFailures.length)]!;
    trace.line(`${broker.host} ${directory}: ${what}`);
    broker.failDisk(({ kind, path }) => (path.startsWith(`${directory}/`) && (kinds === null || kinds.includes(kind)) ? code : null));
    this.#later(this.#durationMs() + this.#downMs(), () => this.#repairDisk(broker));
    return true;
  }

  #repairDisk(broker: SimBroker): void {
    this.#world.trace.line(`${broker.host}: the disk is repaired`);
    broker.failDisk(null);
    broker.crash("kill");
    broker.start();
  }

  #crash(broker: SimBroker, kind: "kill" | "power" | "power-silent"): boolean {
    if (!broker.isUp || !this.#world.mayTakeAway(broker, kind !== "kill")) return false;
    if (kind === "kill") broker.crash(kind);
    else this.#world.losePower(broker, kind);
    this.#later(this.#downMs(), () => broker.start());
    return true;
  }

  #pause(broker: SimBroker): boolean {
    if (!broker.isUp || broker.isPaused || !this.#world.mayTakeAway(broker, false)) return false;
    broker.pause();
    this.#later(this.#durationMs(), () => broker.resume());
    return true;
  }

  #cutLink(): boolean {
    const { network, random, trace } = this.#world;
    const hosts = ["b1", "b2", "b3"];
    const a = hosts.splice(randomInt(random, 3), 1)[0] as string;
    const more = this.#world.transactions === null ? [] : transactionClients;
    const others = this.#flip() ? hosts : [...hosts, ...clients, ...more];
    const b = others[randomInt(random, others.length)] as string;
    const oneWay = this.#flip();
    trace.line(`cut ${a} ${oneWay ? ">" : "|"} ${b}`);
    if (oneWay) network.cutOneWay(a, b);
    else network.cut(a, b);
    this.#later(this.#durationMs(), () => {
      trace.line(`mend ${a} | ${b}`);
      network.heal(a, b);
    });
    return true;
  }

  #cutCoordinator(broker: SimBroker): boolean {
    const { trace } = this.#world;
    if (broker.isCoordinatorCut || !this.#world.mayTakeAway(broker, false)) return false;
    trace.line(`cut ${broker.host} | coordinator`);
    broker.cutCoordinator();
    this.#later(this.#durationMs(), () => {
      trace.line(`mend ${broker.host} | coordinator`);
      broker.healCoordinator();
    });
    return true;
  }

  #coordinatorFault(broker: SimBroker): boolean {
    const { random, trace } = this.#world;
    const { coordinator } = broker;
    if (coordinator === null) return false;
    const which = randomInt(random, 5);
    if (which === 4) {
      if (!this.#world.mayTakeAway(broker, false)) return false;
      this.#world.expireSession(broker);
    } else if (which === 3) {
      trace.line(`${broker.host} loses its connection to the coordinator`);
      coordinator.breakConnection();
    } else {
      const done = which > 0;
      trace.line(`${broker.host} gets no answer to its next write (${done ? "done" : "not done"})`);
      coordinator.loseNextAnswer({ done });
    }
    return true;
  }

  /** The server keeps all sessions meanwhile, but a client that hears nothing for long considers its own lost. */
  #stopCoordinator(): boolean {
    const { ensemble, trace, isInDanger } = this.#world;
    if (isInDanger) return false;
    trace.line("the coordinator stops");
    ensemble.stop();
    this.#later(this.#durationMs() / 2, () => {
      trace.line("the coordinator starts");
      ensemble.start();
    });
    return true;
  }

  #slowNetwork(): boolean {
    const { network, random, trace } = this.#world;
    const delayMaxMs = 5 + random.next() * 300;
    trace.line(`the network takes up to ${delayMaxMs.toFixed(0)} ms`);
    network.setDelays({ delayMinMs: 0.1, delayMaxMs });
    this.#later(this.#durationMs() / 2, () => network.setDelays({ delayMinMs: 0.1, delayMaxMs: 2 }));
    return true;
  }

  #stopCleanly(broker: SimBroker): boolean {
    if (!broker.isReady || broker.isPaused || !this.#world.mayTakeAway(broker, false)) return false;
    broker.stop(8000);
    this.#later(8000 + this.#downMs(), () => broker.start());
    const again = () => {
      if (!broker.isUp) broker.start();
    };
    this.#later(this.#durationMs(), again);
    return true;
  }

  /**
   * All at once. Of killed processes what was written stays; after a power failure what was acknowledged stays, if it is on the disk. So
   * nothing may be lost.
   */
  #crashAll(kind: "kill" | "power"): boolean {
    // the topic's records are on the disks, those of the groups and of the fleeting topic are not
    if (kind === "power") {
      this.#world.group?.commitsMayBeGone();
      this.#world.losses++;
    }
    for (const broker of this.#world.brokers) {
      broker.crash(kind);
      this.#later(this.#downMs(), () => broker.start());
    }
    return true;
  }

  /** A bit of a follower's disk rots. The leader must have what is needed to copy the replica again. */
  #rot(): boolean {
    const { brokers, observer, random, trace, isInDanger } = this.#world;
    const partition = randomInt(random, partitions);
    const followers = brokers.filter(({ id, isReady }) => isReady && id !== observer.state(partition)?.leader);
    const broker = followers[randomInt(random, Math.max(followers.length, 1))];
    if (broker === undefined || isInDanger || broker.hasDiskFailure || !this.#world.mayTakeAway(broker, true)) return false;
    const where = rot(this.#world, broker, partition, random);
    if (where !== null) trace.line(`a bit rots: ${where}`);
    return where !== null;
  }

  /** Any broker; the controller and the leaders more often. */
  #victim(): SimBroker {
    const { brokers, observer, random } = this.#world;
    const roles = [observer.controllerId, observer.state(0)?.leader, observer.state(1)?.leader];
    const pick = randomInt(random, 6);
    const named = brokers.find(({ id }) => id === roles[pick]);
    return named ?? (brokers[randomInt(random, brokers.length)] as SimBroker);
  }

  #flip(): boolean {
    return this.#world.random.next() < 0.5;
  }

  /** How long a fault lasts, in milliseconds: mostly short, sometimes longer than a session. */
  #durationMs(): number {
    const { random } = this.#world;
    return 50 + random.next() ** 2 * 6000;
  }

  /** How long a crashed broker stays down, in milliseconds: half of them are back before anyone has noticed. */
  #downMs(): number {
    const { random } = this.#world;
    return this.#flip() ? 5 + random.next() * 200 : this.#durationMs();
  }

  #later(delayMs: number, action: () => void): void {
    this.#world.clock.schedule("faults", delayMs, () => {
      if (!this.#isOver) action();
    });
  }
}
