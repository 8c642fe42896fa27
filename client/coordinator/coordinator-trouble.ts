import { partitionOfKey } from "../../protocol/base/partition-of-key.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { emptySnapshot, mergeMetadata } from "../metadata/cluster-snapshot.ts";
import { metadataRequest } from "../metadata/metadata-request.ts";
import { brokersAre, noLeader } from "../metadata/no-leader.ts";
import type { Coordinated } from "./coordinated.ts";

const minInsyncReplicas = "min.insync.replicas";
const topicResourceType = 2;
/** How often it is looked for, while something waits. Milliseconds. */
const lookEveryMs = 2_000;

/**
 * Why a coordinator cannot serve. It answers a bare COORDINATOR_NOT_AVAILABLE; that the partition of `__consumer_offsets` or
 * `__transaction_state` has no leader, or too few replicas to be written, is in the metadata.
 */
export class CoordinatorTrouble {
  readonly #cluster: Cluster;
  readonly #of: Coordinated;
  #found: KafkaProtocolError | null = null;
  /** Counts them: what was looked for in an earlier one says nothing about this one. */
  #wait = 0;
  /** Monotonic. */
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(cluster: Cluster, of: Coordinated) {
    this.#cluster = cluster;
    this.#of = of;
  }

  /** The failure as it is best told, by what is known now; more may be known at the next one. */
  explained(error: unknown): unknown {
    if (!(error instanceof KafkaProtocolError) || error.code !== "COORDINATOR_NOT_AVAILABLE" || error.detail !== null) return error;
    const nowMs = this.#cluster.runtime.clock.monotonicMs();
    if (nowMs - this.#lookedAtMs >= lookEveryMs) {
      this.#lookedAtMs = nowMs;
      const wait = this.#wait;
      this.#look().then(
        (found) => {
          if (wait === this.#wait) this.#found = found;
        },
        () => undefined, // what was found before is as good as nothing
      );
    }
    return this.#found ?? error;
  }

  /** It goes on: what was found is of the past. */
  forget(): void {
    this.#wait++;
    this.#found = null;
  }

  async #look(): Promise<KafkaProtocolError | null> {
    const { pool, signal } = this.#cluster;
    const { id, topic, what } = this.#of;
    const build = (version: number) => metadataRequest([topic], version);
    const answer = await pool.askAny((connection, settled) => connection.request(apis.metadata, build, { signal: settled }), signal);
    const snapshot = mergeMetadata(emptySnapshot, answer);
    const partitions = snapshot.topics.get(topic)?.partitions ?? [];
    if (partitions.length === 0) return null;
    const at = partitionOfKey(id, partitions.length);
    const leaderless = noLeader(snapshot, topic, at)?.detail ?? null;
    const why = leaderless ?? (await this.#shortage(partitions[at]));
    return why === null ? null : new KafkaProtocolError("COORDINATOR_NOT_AVAILABLE", what, why.replace(/^it /, `${topic}-${at} `));
  }

  async #shortage(of: { readonly replicas: readonly number[]; readonly isr: readonly number[] } | undefined): Promise<string | null> {
    const { replicas = [], isr = [] } = of ?? {};
    const missing = replicas.filter((id) => !isr.includes(id)).toSorted((a, b) => a - b);
    if (missing.length === 0) return null;
    const required = await this.#required().catch(() => null);
    if (required === null) return `it has ${isr.length} of ${replicas.length} replicas in sync: ${brokersAre(missing, "missing")}`;
    const needed = Math.min(required, replicas.length);
    if (isr.length >= needed) return null;
    return `it has ${isr.length} of ${needed} required in-sync replicas: ${brokersAre(missing, "missing")}`;
  }

  /** Null: whoever asks may not know. */
  async #required(): Promise<number | null> {
    const { pool, signal } = this.#cluster;
    const resources = [{ resourceType: topicResourceType, resourceName: this.#of.topic, configurationKeys: [minInsyncReplicas] }];
    const build = () => ({ resources, includeSynonyms: false, includeDocumentation: false });
    const { results } = await pool.askAny(
      (connection, settled) => connection.request(apis.describeConfigs, build, { signal: settled }),
      signal,
    );
    const value = Number(results[0]?.configs.find(({ name }) => name === minInsyncReplicas)?.value ?? Number.NaN);
    return Number.isInteger(value) ? value : null;
  }
}
