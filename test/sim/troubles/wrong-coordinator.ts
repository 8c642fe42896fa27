import type { EnsembleState } from "../../../coordinator-client/memory/ensemble.ts";
import { logDirectories, type SimBroker } from "../sim-broker.ts";
import { partitions, topic } from "../world.ts";
import type { Trouble, TroubleParts } from "./trouble.ts";

const controllerEpochFile = "ottla-controller-epoch";
const lookEveryMs = 100;

interface Replica {
  readonly broker: SimBroker;
  readonly name: string;
  /** Null: it has none yet, or moves between directories. */
  readonly folder: string | null;
}

/**
 * ZooKeeper comes up with an older snapshot of its data, or with none, and after a while with the right data again. Brokers recognise the
 * wrong one by the newest controller epoch that they have seen: they serve nobody, write nothing there and remove nothing, including those
 * that are started meanwhile. With the right state back, all is as it was.
 */
export class WrongCoordinator implements Trouble {
  readonly #parts: TroubleParts;
  #older: EnsembleState | null = null;
  /** Null: the coordinator has the right state. */
  #right: { readonly state: EnsembleState; readonly replicas: readonly Replica[]; readonly lives: readonly string[] } | null = null;
  #isOver = false;

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  start(): void {
    const { world, random } = this.#parts;
    this.#later(random.next() * 1500, () => {
      this.#older = world.ensemble.backup();
      this.#later(500 + random.next() * 5000, () => this.#begin(random.next() < 0.5 ? "older" : "empty"));
    });
  }

  heal(): void {
    this.#isOver = true;
    this.#end();
  }

  #begin(which: "older" | "empty"): void {
    const { world, random, count } = this.#parts;
    const { ensemble, observer, acknowledgements, brokers, trace } = world;
    const older = which === "older" ? this.#older : null;
    const isKnownToBeOlder = older === null || brokers.every((broker) => knownEpoch(broker) > epochIn(older));
    if (world.isInDanger || !isKnownToBeOlder) {
      if (!isKnownToBeOlder && epochIn(ensemble) === epochIn(older)) world.deleteController();
      this.#later(300, () => this.#begin(which));
      return;
    }
    observer.look();
    const state = ensemble.backup();
    this.#right = { state, replicas: this.#replicas(), lives: brokers.map(({ owner }) => owner) };
    trace.line(`the coordinator comes up ${which}`);
    count(which === "older" ? "olderCoordinator" : "emptyCoordinator");
    world.isExpectedError = (what) => what.includes("not joining: ");
    world.isCoordinatorWrong = true;
    acknowledgements.coordinatorIsWrong(true);
    ensemble.restore(older ?? undefined);
    observer.begin({ isRight: false, lastRight: state.tree });
    this.#watch(older?.zxid ?? ensemble.backup().zxid);
    this.#later(300 + random.next() ** 2 * 12_000, () => this.#end());
  }

  #end(): void {
    if (this.#right === null) return;
    const { world } = this.#parts;
    const { state, replicas } = this.#right;
    this.#right = null;
    world.trace.line("the coordinator has its right state again");
    // what rots is dropped, and copied again
    const gone = world.plan.mayRot
      ? undefined
      : replicas.find(({ broker, name, folder }) => folder !== null && broker.folderOf(name) === null);
    if (gone !== undefined) world.violated(`${gone.folder} of ${gone.broker.owner} went while the coordinator had the wrong state`);
    world.ensemble.restore(state);
    world.observer.begin({ isRight: true });
    world.acknowledgements.coordinatorIsWrong(false);
    world.isCoordinatorWrong = false;
  }

  /** No broker writes to the wrong one, nor joins it. */
  #watch(zxid: number): void {
    const { world } = this.#parts;
    if (this.#right === null) return;
    const { tree } = world.ensemble;
    const written = tree.paths().find((path) => (tree.read(path)?.modifiedZxid ?? 0) > zxid);
    if (written !== undefined) world.violated(`${written} is written to a coordinator with the wrong state: ${tree.read(written)?.data}`);
    const { lives } = this.#right;
    const joined = world.brokers.find(({ isReady, owner }) => isReady && !lives.includes(owner));
    if (joined !== undefined) world.violated(`${joined.owner} is ready with a coordinator that has the wrong state`);
    this.#later(lookEveryMs, () => this.#watch(zxid));
  }

  /** Those that the right state assigns: the removal of another may have been decided just before, and be on its way. */
  #replicas(): Replica[] {
    const { brokers, observer } = this.#parts.world;
    const each = Array.from({ length: partitions }, (_, partition) => partition);
    return each.flatMap((partition) => {
      const assigned = observer.find(topic, partition)?.replicas ?? [];
      return brokers
        .filter(({ id }) => assigned.includes(id))
        .map((broker) => ({ broker, name: `${topic}-${partition}`, folder: broker.folderOf(`${topic}-${partition}`) }));
    });
  }

  #later(delayMs: number, action: () => void): void {
    this.#parts.world.clock.schedule("faults", delayMs, () => {
      if (!this.#isOver) action();
    });
  }
}

function epochIn({ tree }: { readonly tree: Pick<EnsembleState["tree"], "read"> }): number {
  return Number(tree.read("/controller_epoch")?.data.toString() ?? -1);
}

/** The newest controller epoch that this broker will know of, whatever happens to its process. */
function knownEpoch({ disk }: SimBroker): number {
  const epochs = logDirectories.map((directory) => {
    const path = `${directory}/${controllerEpochFile}`;
    const text = disk.find(path) === null ? "" : disk.file(path).content().toString();
    return Number(/controllerEpoch (\d+)/.exec(text)?.[1] ?? -1);
  });
  return Math.max(...epochs);
}
