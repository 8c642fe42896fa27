import { type BrokerId, noBroker, type TopicId } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { MetadataUpdateRequest, MetadataUpdateResponse } from "../../protocol/peer/messages.ts";
import type { ClusterView, RoleSink } from "../partition/cluster-contract.ts";
import type { PeerHandler } from "../runtime/peer-port.ts";
import type { ClusterImage, ImageStore } from "./cluster-image.ts";
import type { LedElsewhere } from "./cut-off-leader.ts";
import { someoneLeft, startOfStream, takeUpdate, withLedElsewhere } from "./image-updates.ts";
import type { ResolveSettings } from "./resolve-settings.ts";
import { type LocalReplica, type RoleChanges, roleChanges } from "./roles.ts";
import type { SeenController } from "./seen-controller.ts";

export interface UpdateReceiverParts {
  /** Whether this controller's term is the present one in the coordinator. Rejects when that is not known. */
  readonly isPresentTerm: (claimed: { readonly controllerId: BrokerId; readonly controllerEpoch: number }) => Promise<boolean>;
  readonly brokerId: BrokerId;
  readonly images: ImageStore;
  readonly roles: RoleSink;
  readonly view: Pick<ClusterView, "ownEpoch">;
  readonly seen: Pick<SeenController, "controllerEpoch" | "note">;
  /** The logs on this broker's disks. */
  readonly localReplicas: () => readonly LocalReplica[];
  readonly resolveSettings: ResolveSettings;
  readonly log: Logger;
}

/** A controller has one update in flight per broker; more come only from abandoned attempts. */
const waitingMax = 16;

/** Takes the controller's updates, one after the other: replaces the image and drives this broker's roles. */
export class UpdateReceiver {
  readonly #parts: UpdateReceiverParts;
  #position = startOfStream;
  /** The controller whose updates are accepted: it was checked in the coordinator. */
  #confirmed = { controllerId: noBroker, controllerEpoch: -1 };
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: UpdateReceiverParts) {
    this.#parts = parts;
  }

  readonly handle: PeerHandler<"metadata-update"> = async (update) => {
    if (this.#waiting >= waitingMax) return { body: refused("BROKER_NOT_AVAILABLE", `${waitingMax} updates wait already`) };
    return { body: await this.#inTurn(() => this.#take(update)) };
  };

  /**
   * What this broker has found in the coordinator itself: see `CutOffLeader`. The controller's next update says the same, or something
   * newer.
   */
  adopt(partitions: readonly LedElsewhere[]): Promise<void> {
    return this.#inTurn(async () => {
      const { images, view, log } = this.#parts;
      const before = images.current;
      const after = withLedElsewhere(before, partitions);
      if (after === before || view.ownEpoch < 0) return;
      log.warn(
        { partitions: partitions.length },
        "others lead by now what this broker led: it cannot reach the controller, and has found out",
      );
      await this.#apply(before, after, { full: false, brokerEpoch: view.ownEpoch, told: new Set() });
    });
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const turn = this.#last.then(run);
    // a failure goes to its caller; the next update takes its turn all the same
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }

  async #take(update: MetadataUpdateRequest): Promise<MetadataUpdateResponse> {
    const { images, view, seen, log } = this.#parts;
    // also an epoch from before our last start, which the image does not know
    if (update.controllerEpoch < seen.controllerEpoch)
      return refused("STALE_CONTROLLER_EPOCH", `controller epoch ${seen.controllerEpoch} is known, this is ${update.controllerEpoch}`);
    const doubt = await this.#doubtAbout(update);
    if (doubt !== null) {
      log.warn({ error: doubt.error, controllerId: update.controllerId }, `metadata update refused: ${doubt.message}`);
      return doubt;
    }
    const before = images.current;
    const taken = takeUpdate(before, this.#position, update, view.ownEpoch);
    if (taken.kind === "part" || taken.kind === "applied") {
      await seen.note(update.controllerEpoch);
      if (view.ownEpoch !== update.brokerEpoch) return refused("STALE_BROKER_EPOCH", "the registration ended meanwhile");
    }
    switch (taken.kind) {
      case "refused":
        log.info({ error: taken.error, controllerId: update.controllerId }, `metadata update refused: ${taken.message}`);
        return refused(taken.error, taken.message);
      case "superseded":
        return { error: "NONE", message: "superseded", keptTopics: update.deletedTopics.map(({ id }) => id) };
      case "part":
        this.#position = taken.position;
        return { error: "NONE", message: "", keptTopics: [] };
      case "applied": {
        const { full, brokerEpoch } = update;
        const keptTopics = await this.#apply(before, taken.image, { full, brokerEpoch, told: deletionsTold(taken.image, update) });
        if (keptTopics === null) {
          // whatever part of it was applied, the new registration begins with a full update
          this.#position = startOfStream;
          return refused("STALE_BROKER_EPOCH", "the registration ended while the update was applied");
        }
        this.#position = taken.position;
        return { error: "NONE", message: "", keptTopics };
      }
    }
  }

  /**
   * An update has consequences: logs that it names as deleted are removed, and logs that it does not name are set aside. So a term that is
   * new to us is looked up in the coordinator, once; null: it is the present one, or too old to matter.
   */
  async #doubtAbout({ controllerId, controllerEpoch, brokerEpoch }: MetadataUpdateRequest): Promise<MetadataUpdateResponse | null> {
    const { images, view, isPresentTerm } = this.#parts;
    const known = this.#confirmed;
    if (controllerEpoch === known.controllerEpoch && controllerId === known.controllerId) return null;
    // refused on its own account, without asking the coordinator
    if (controllerEpoch < images.current.controllerEpoch || view.ownEpoch < 0 || view.ownEpoch !== brokerEpoch) return null;
    try {
      if (await isPresentTerm({ controllerId, controllerEpoch })) {
        this.#confirmed = { controllerId, controllerEpoch };
        return null;
      }
      return refused("NOT_CONTROLLER", `broker ${controllerId} is not the controller of epoch ${controllerEpoch}, says the coordinator`);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      return refused("BROKER_NOT_AVAILABLE", `cannot ask the coordinator about controller epoch ${controllerEpoch}: ${reason}`);
    }
  }

  /**
   * The deleted topics of which there may be something left; null: the registration ended meanwhile. The order, and why:
   * 1. Replicas that are no longer ours are withdrawn first. A topic re-created under an old name must not be visible while its name still
   *    leads to the old log: a produce would be acknowledged into it.
   * 2. Then the image: a partition that starts a role needs the peers' addresses and epochs, and the in-sync set's writer needs the state
   *    it starts from. Requests that arrive in between find the new leader epoch in the image and the old one in the partition:
   *    UNKNOWN_LEADER_EPOCH or NOT_LEADER_OR_FOLLOWER, both of which a client retries.
   * 3. Then settings and roles. Only in their new epochs leaders check who is gone: in an old one they would learn that they no longer
   *    lead. The controller gets its answer only after that: "known to every broker" means that they serve it.
   *
   * The registration may end during any wait: then nothing more is started, since this broker has just given up its roles with the session.
   */
  async #apply(before: ClusterImage, after: ClusterImage, { full, brokerEpoch, told }: Applied): Promise<readonly TopicId[] | null> {
    const { brokerId, images, roles, view, localReplicas, resolveSettings } = this.#parts;
    const changes: RoleChanges = roleChanges({
      self: brokerId,
      before,
      after,
      full,
      local: full ? localReplicas() : [],
      resolve: resolveSettings,
    });
    if (changes.withdraw.length > 0) await roles.withdraw(changes.withdraw);
    const kept = told.size > 0 ? await roles.forget(told) : [];
    if (view.ownEpoch !== brokerEpoch) return null;
    invariant(images.current === before, "updates are applied one after the other");
    images.replace(after);
    for (const { topic, settings } of changes.settings) roles.updateSettings(topic, settings);
    if (changes.assign.length > 0) await roles.assign(changes.assign);
    if (view.ownEpoch !== brokerEpoch) return null;
    if (someoneLeft(before, after)) roles.lookAtFollowers();
    return kept;
  }
}

interface Applied extends Pick<MetadataUpdateRequest, "full" | "brokerEpoch"> {
  /** Deletions. */
  readonly told: ReadonlySet<TopicId>;
}

/** The deletions of an update; a full one came in parts, and has its deletions in the first. An id that is in use is not deleted. */
function deletionsTold({ deletedTopics, topicNames }: ClusterImage, update: MetadataUpdateRequest): ReadonlySet<TopicId> {
  const told = update.full ? [...deletedTopics.keys()] : update.deletedTopics.map(({ id }) => id);
  return new Set(told.filter((id) => !topicNames.has(id)));
}

function refused(error: KafkaError, message: string): MetadataUpdateResponse {
  return { error, message, keptTopics: [] };
}
