import { type Coordinator, CoordinatorUnavailable, type WriteOperation } from "../coordinator-client/coordinator.ts";
import { judgeCoordinator, type KnownCluster } from "../coordinator-client/known-cluster.ts";
import { readClusterId, readOrCreateClusterId } from "../coordinator-client/known-cluster-id.ts";
import { readOrCreatePeerSecret } from "../coordinator-client/known-peer-secret.ts";
import { sleep } from "../protocol/base/clock.ts";
import type { BrokerOptions } from "./broker-options.ts";
import { StrangeCoordinator } from "./cluster/membership.ts";
import { otherCluster, WrongDataDirectory } from "./cluster/meta-properties.ts";
import type { DataDirectories } from "./data-directories.ts";

export class CoordinatorNotReached extends Error {
  override readonly name = "CoordinatorNotReached";
}

/** While a start waits for the link to the coordinator to come back. */
const reconnectPauseMs = 200;
/** After which a start that finds no coordinator says so, first and then again and again. */
const firstWordMs = 4_000;
const wordsAgainMs = 60_000;

type Needed = Pick<BrokerOptions, "settings" | "clock" | "random" | "log" | "onWaiting">;

/** The coordinator as a starting broker meets it: it must answer, and be the one that the broker's directories know. */
export class KnownCoordinator {
  readonly #coordinator: Coordinator;
  readonly #options: Needed;

  constructor(coordinator: Coordinator, options: Needed) {
    this.#coordinator = coordinator;
    this.#options = options;
  }

  /**
   * Waits until a server answers, as long as it takes: an ensemble without a majority, or one that starts after its brokers, is no reason
   * to give up. Only where `zookeeper.connection.timeout.ms` is set, it rejects CoordinatorNotReached after that.
   */
  async reach(): Promise<void> {
    const { clock, settings, log, onWaiting } = this.#options;
    const { connect, connectionTimeoutMs } = settings.coordinator;
    const advice = "check zookeeper.connect, and that a majority of its servers runs";
    if (connectionTimeoutMs !== null) {
      if (await this.#isConnectedWithin(connectionTimeoutMs)) return;
      throw new CoordinatorNotReached(`no ZooKeeper answers at ${connect} within ${connectionTimeoutMs} ms; ${advice}`);
    }
    const startedMs = clock.monotonicMs();
    for (let patienceMs = firstWordMs; !(await this.#isConnectedWithin(patienceMs)); patienceMs = wordsAgainMs) {
      const seconds = Math.round((clock.monotonicMs() - startedMs) / 1000);
      const words = `no ZooKeeper answers at ${connect} for ${seconds} s: ${advice}. This broker goes on trying`;
      log.error({}, words);
      onWaiting?.(words);
    }
  }

  async #isConnectedWithin(timeoutMs: number): Promise<boolean> {
    const tooLate = new AbortController();
    const timer = this.#options.clock.schedule(timeoutMs, () => tooLate.abort());
    try {
      await this.#coordinator.connected(tooLate.signal);
      return true;
    } catch (error) {
      if (!tooLate.signal.aborted) throw error;
      return false;
    } finally {
      timer.cancel();
    }
  }

  /** The id of the cluster that a new broker joins. Generated only when no directory names one. */
  async newCluster({ offline: [unreadable] }: Pick<DataDirectories, "offline">): Promise<string> {
    const { random } = this.#options;
    if (unreadable === undefined) return this.#untilTold(() => readOrCreateClusterId(this.#coordinator, random));
    const found = await this.#untilTold(() => readClusterId(this.#coordinator));
    if (found !== null) return found;
    throw new WrongDataDirectory(
      `ZooKeeper knows no cluster, and ${unreadable.directory}, which cannot be used, may belong to one: take it out of log.dirs to begin a new cluster, or see \`ottla cluster recover\`.`,
    );
  }

  /**
   * Waits for the coordinator to be the one that our directories know; writes under the guard go to that one only. Rejects
   * WrongDataDirectory when it is of another cluster: waiting does not help.
   */
  async awaitKnown(known: KnownCluster): Promise<readonly WriteOperation[]> {
    const { clock, log, settings, onWaiting } = this.#options;
    const told = onWaiting === undefined ? {} : { said: onWaiting };
    const strange = new StrangeCoordinator({ known, clock, log: log.child({ part: "cluster" }), ...told });
    for (;;) {
      const verdict = await this.#untilTold(() => judgeCoordinator(this.#coordinator, known));
      if (verdict.kind === "ours") {
        strange.isKnown();
        return verdict.guard;
      }
      if (verdict.kind === "other")
        throw new WrongDataDirectory(otherCluster(settings.logDirectories[0]!, known.clusterId, verdict.clusterId));
      await strange.wait(verdict);
    }
  }

  /** A coordinator that was replaced meanwhile gets no secret: this waits for the known one again. */
  peerSecret(known: KnownCluster): Promise<string> {
    const { random } = this.#options;
    return this.#untilTold(async () => {
      const guard = await this.awaitKnown(known);
      return readOrCreatePeerSecret(this.#coordinator, random, guard);
    });
  }

  /** Retries while the coordinator does not answer. */
  async #untilTold<T>(ask: () => Promise<T>): Promise<T> {
    const { clock } = this.#options;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof CoordinatorUnavailable) || this.#coordinator.state === "closed") throw error;
        await sleep(clock, reconnectPauseMs);
      }
    }
  }
}
