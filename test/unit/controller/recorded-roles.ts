import type { AssignedReplica, ReplicaHealthReporter, RoleSink } from "../../../broker/partition/cluster-contract.ts";

/** What partitions would be on one broker: remembers what it was told. */
export class RecordedRoles implements RoleSink {
  readonly assigned = new Map<string, AssignedReplica>();
  readonly deleted: string[] = [];
  readonly failing = new Set<string>();
  /** Logs on the disk; outlive the process. */
  readonly disk: Map<string, { readonly topic: string; readonly partition: number; readonly topicId: string }>;
  standDowns = 0;

  constructor(disk: RecordedRoles["disk"]) {
    this.disk = disk;
  }

  report: ReplicaHealthReporter["report"] = () => {};

  async assign(replicas: readonly AssignedReplica[]) {
    for (const replica of replicas) {
      const { topic, topicId, state } = replica;
      const key = `${topicId}:${state.partition}`;
      if (this.failing.has(`${topic}-${state.partition}`)) {
        this.report({ topicId, partition: state.partition }, { kind: "offline", reason: "the disk failed" });
        continue;
      }
      const known = this.assigned.get(key);
      if (known !== undefined && known.state.stateVersion > state.stateVersion) continue;
      this.assigned.set(key, replica);
      this.disk.set(key, { topic, topicId, partition: state.partition });
    }
  }

  async withdraw(replicas: Parameters<RoleSink["withdraw"]>[0]) {
    for (const { ref, topicId, isDeleted, removedInEpoch } of replicas) {
      const key = `${topicId}:${ref.partition}`;
      this.assigned.delete(key);
      if (!this.disk.delete(key)) continue;
      if (isDeleted || removedInEpoch !== undefined) this.deleted.push(key);
      else this.setAside.push(key);
    }
  }

  /** Topics that it cannot say it has nothing of. */
  readonly kept = new Set<string>();
  readonly setAside: string[] = [];

  async forget(topicIds: ReadonlySet<string>) {
    return [...topicIds].filter((id) => this.kept.has(id));
  }

  readonly settings = new Map<string, unknown>();
  updateSettings(topic: string, settings: unknown): void {
    this.settings.set(topic, settings);
  }

  lookAtFollowers(): void {}

  standDown(): void {
    this.standDowns++;
    this.assigned.clear();
  }
}
