import { randomInt } from "../../../protocol/base/random.ts";
import { coordinatorServers } from "../world.ts";
import { again, type Trouble, type TroubleParts } from "./trouble.ts";

/** Well below ZooKeeper's own limit (`syncLimit` ticks), after which its leader drops a server that does not keep up. */
const behindMaxMs = 3000;

/**
 * ZooKeeper servers that lag: sessions on them read an older state, and their watches fire late, while what they write counts at once. Or a
 * server is slow to forward requests, or goes down. And sessions move from one server to another, with requests in flight.
 */
export class LaggingServers implements Trouble {
  readonly #parts: TroubleParts;
  #stop: () => void = () => {};
  #isOver = false;

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#stop = again(this.#parts, 50, 2000, () => this.#befall());
  }

  heal(): void {
    this.#isOver = true;
    this.#stop();
    const { serverLags, ensemble } = this.#parts.world;
    for (const lag of serverLags) Object.assign(lag, { "to-leader": 2, behind: 4 });
    for (const server of ensemble.servers) server.start();
  }

  #befall(): void {
    const { world, random, count } = this.#parts;
    const which = random.next();
    const number = randomInt(random, coordinatorServers);
    const durationMs = 50 + random.next() ** 2 * 5000;
    const lag = world.serverLags[number]!;
    const server = world.ensemble.servers[number]!;
    if (which < 0.4) {
      lag.behind = 10 * (behindMaxMs / 10) ** random.next();
      world.trace.line(`server ${number} of the coordinator is behind by up to ${lag.behind.toFixed(0)} ms`);
      count("serverLags");
      this.#later(durationMs, () => {
        lag.behind = 4;
      });
    } else if (which < 0.5) {
      lag["to-leader"] = 300 * random.next();
      world.trace.line(`server ${number} of the coordinator passes on within ${lag["to-leader"].toFixed(0)} ms`);
      this.#later(durationMs / 4, () => {
        lag["to-leader"] = 2;
      });
    } else if (which < 0.6) {
      world.trace.line(`server ${number} of the coordinator goes down`);
      server.stop();
      count("serverDown");
      this.#later(durationMs, () => server.start());
    } else {
      const broker = world.brokers[randomInt(random, world.brokers.length)]!;
      const { coordinator } = broker;
      if (coordinator?.state !== "connected" || broker.isPaused) return;
      world.trace.line(`the session of ${broker.host} moves`);
      count("sessionMoves");
      // its next write may be lost with the link, or reach a server that does not have it yet
      if (random.next() < 0.5) coordinator.loseNextAnswer({ done: random.next() < 0.8 });
      else coordinator.breakConnection();
    }
  }

  #later(delayMs: number, action: () => void): void {
    this.#parts.world.clock.schedule("faults", delayMs, () => {
      if (!this.#isOver) action();
    });
  }
}
