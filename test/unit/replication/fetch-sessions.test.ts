import { expect, test } from "vitest";
import {
  type FetchApplied,
  type FetchingReplica,
  type FollowedPartition,
  type ReplicaLeader,
  type ReplicaLeaders,
  unthrottled,
} from "../../../broker/partition/replication-contract.ts";
import { Fetcher } from "../../../broker/replication/fetcher.ts";
import { replicaFetchHandler } from "../../../broker/replication/replica-fetch-handler.ts";
import { unlimitedQuota } from "../../../broker/replication/replication-quota.ts";
import {
  type PeerAnswer,
  type PeerCallOptions,
  type PeerHandler,
  type PeerRequester,
  PeerUnavailable,
} from "../../../broker/runtime/peer-port.ts";
import { partitionKey } from "../../../protocol/base/ids.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { type Random, randomInt, seededRandom } from "../../../protocol/base/random.ts";
import type {
  PeerKind,
  PeerRequest,
  ReplicaFetchedPartition,
  ReplicaFetchPartition,
  ReplicaFetchRequest,
} from "../../../protocol/peer/messages.ts";
import { testReplicationConfig } from "../../support/partition-config.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

const topicId = "AAAAAAAAAAAAAAAAAAAAAQ";
const partitionCount = 5;
const followerId = 2;

/** A replica that follows: where its log ends, one byte per record. */
class Followed implements FollowedPartition {
  readonly topic = "orders";
  readonly topicId = topicId;
  readonly leader = 1;
  readonly isThrottled = false;
  readonly partition: number;
  readonly epoch: number;
  endOffset: number;
  highWatermark = 0;
  /** Its log is being changed. */
  isBusy = false;
  hasEnded = false;
  #changed: () => void = () => undefined;

  constructor(partition: number, epoch: number, endOffset: number) {
    this.partition = partition;
    this.epoch = epoch;
    this.endOffset = endOffset;
  }

  nextFetch(): ReplicaFetchPartition | null {
    if (this.hasEnded || this.isBusy) return null;
    const { partition, epoch: leaderEpoch, endOffset: fetchOffset } = this;
    return { topicId, partition, leaderEpoch, fetchOffset, lastFetchedEpoch: -1, logStartOffset: 0 };
  }

  onFetchChanged(listener: () => void): void {
    this.#changed = listener;
  }

  /** By something other than an answer. */
  change(how: Partial<Pick<Followed, "endOffset" | "isBusy" | "hasEnded">>): void {
    Object.assign(this, how);
    this.#changed();
  }

  async applyFetched(asked: ReplicaFetchPartition, answer: ReplicaFetchedPartition, records: Buffer): Promise<FetchApplied> {
    if (this.hasEnded) return "ended";
    if (this.isBusy || asked.fetchOffset !== this.endOffset) return "ignored";
    if (answer.error !== "NONE") return "back-off";
    this.endOffset += records.length;
    await settled();
    this.highWatermark = Math.max(this.highWatermark, Math.min(answer.highWatermark, this.endOffset));
    return this.hasEnded ? "ended" : "applied";
  }
}

interface Led {
  epoch: number;
  endOffset: number;
  /** Under this epoch. */
  acknowledged: number;
  repeated: { readonly from: FetchingReplica; readonly asked: ReplicaFetchPartition } | null;
}

type Truth = ReadonlyMap<number, ReplicaFetchPartition | null>;

/**
 * A follower and a leader with the shipped fetcher and handler, and a network between them that loses, repeats and reorders. Judged at each
 * request that is taken: all that it acknowledges, named or not, stood so at the follower when it was sent.
 */
class TwoBrokers {
  readonly #random: Random;
  readonly #clock = new ManualClock();
  readonly #led: Led[] = Array.from({ length: partitionCount }, () => ({ epoch: 1, endOffset: 0, acknowledged: 0, repeated: null }));
  #followed: Followed[] = Array.from({ length: partitionCount }, (_, partition) => new Followed(partition, 1, 0));
  readonly #watching = new Set<Parameters<ReplicaLeaders["onWritten"]>[0]>();
  #handler: PeerHandler<"replica-fetch">;
  #fetcher: Fetcher;
  #registration = 100;
  /** On their way, for ever if they are lost. */
  readonly #onTheWay = new Set<() => void>();
  #isCalm = false;
  /** What was true when the request was sent that the leader takes now. */
  #truth: Truth = new Map();
  readonly violations: string[] = [];
  /** Partitions named in all requests. */
  named = 0;
  requests = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#handler = this.#newHandler();
    this.#fetcher = this.#newFetcher();
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      await this.#step();
      await settled();
    }
    this.#isCalm = true;
    for (const deliver of [...this.#onTheWay]) deliver();
    for (const { partition } of this.#followed) this.#electAnew(partition);
    this.#followAll(this.#fetcher);
    // an answer that was lost is waited for
    await this.#pass(20_000);
  }

  /** Nothing is missing at either end. */
  get differences(): readonly string[] {
    return this.#followed.flatMap(({ partition, endOffset, highWatermark }) => {
      const led = this.#led[partition]!;
      const isEqual = endOffset === led.endOffset && led.acknowledged === endOffset && highWatermark === endOffset;
      return isEqual ? [] : [`${partition}: ${JSON.stringify({ endOffset, highWatermark, led: { ...led, repeated: null } })}`];
    });
  }

  async idle(): Promise<void> {
    [this.named, this.requests] = [0, 0];
    await this.#pass(5000);
  }

  /** In short steps: what is read and written takes turns of the loop, and no time. */
  async #pass(ms: number): Promise<void> {
    for (const untilMs = this.#clock.monotonicMs() + ms; this.#clock.monotonicMs() < untilMs; await this.#clock.advance(100)) {
      for (let turn = 0; turn < 10; turn++) await settled();
    }
  }

  async stop(): Promise<void> {
    const stopped = this.#fetcher.stop();
    await this.#clock.advance(100_000);
    await stopped;
  }

  async #step(): Promise<void> {
    const partition = randomInt(this.#random, partitionCount);
    const followed = this.#followed[partition]!;
    const led = this.#led[partition]!;
    const dice = this.#random.next();
    if (dice < 0.25) this.#append(partition);
    else if (dice < 0.6) this.#deliverOne();
    else if (dice < 0.75) await this.#clock.advance(randomInt(this.#random, 100));
    else if (dice < 0.77) await this.#clock.advance(12_000);
    else if (dice < 0.81) followed.change({ isBusy: !followed.isBusy });
    // its log was found damaged, or was cut, under the same leader
    else if (dice < 0.83) followed.change({ endOffset: randomInt(this.#random, led.endOffset + 1) });
    else if (dice < 0.87) this.#cutInNextEpoch(partition);
    else if (dice < 0.91) this.#followAll(this.#fetcher);
    else if (dice < 0.95) this.#electAnew(partition);
    else if (dice < 0.97) this.#restartLeader();
    else this.#restartFollower();
  }

  #append(partition: number): void {
    this.#led[partition]!.endOffset++;
    this.#moved(partition);
  }

  #moved(partition: number): void {
    for (const watcher of this.#watching) watcher({ topicId, partition });
  }

  #deliverOne(): void {
    const [...waiting] = this.#onTheWay;
    waiting[randomInt(this.#random, Math.max(waiting.length, 1))]?.();
  }

  /** The follower hears of the next epoch, and has lost the end of its log meanwhile. Its fetcher learns of that later. */
  #cutInNextEpoch(partition: number): void {
    const old = this.#followed[partition]!;
    old.change({ hasEnded: true });
    this.#followed[partition] = new Followed(partition, old.epoch + 1, randomInt(this.#random, old.endOffset + 1));
  }

  /** The leader hears of the follower's epoch. */
  #electAnew(partition: number): void {
    const led = this.#led[partition]!;
    if (this.#isCalm) this.#followed[partition]!.change({ isBusy: false });
    if (led.epoch === this.#followed[partition]!.epoch) return;
    Object.assign(led, { epoch: this.#followed[partition]!.epoch, acknowledged: 0, repeated: null });
    this.#moved(partition);
  }

  #restartLeader(): void {
    this.#watching.clear();
    for (const led of this.#led) led.repeated = null;
    this.#handler = this.#newHandler();
  }

  #restartFollower(): void {
    void this.#fetcher.stop();
    this.#registration++;
    this.#followed = this.#followed.map(
      ({ partition, epoch, endOffset }) => new Followed(partition, epoch, randomInt(this.#random, endOffset + 1)),
    );
    this.#fetcher = this.#newFetcher();
  }

  #followAll(fetcher: Fetcher): void {
    for (const followed of this.#followed) fetcher.follow(partitionKey(followed.topicId, followed.partition), followed);
  }

  #newFetcher(): Fetcher {
    const fetcher = new Fetcher(
      1,
      {
        brokerId: followerId,
        config: testReplicationConfig,
        clock: this.#clock,
        random: seededRandom(1),
        logger: silentLogger,
        cluster: {
          brokerEpoch: () => null,
          hasReplica: () => true,
          isSuspected: () => false,
          doubtLeaderships: () => {},
          isSilent: () => false,
          stopsAsWeDo: () => false,
          registration: () => null,
          peerAddress: () => ({ host: "leader", port: 1 }),
          ownEpoch: this.#registration,
          sessionProvedUntilMs: 0,
        },
        peers: this.#network(this.#registration),
        quota: unlimitedQuota,
      },
      () => false,
    );
    this.#followAll(fetcher);
    return fetcher;
  }

  #newHandler(): PeerHandler<"replica-fetch"> {
    const leaders: ReplicaLeaders = {
      leaderOf: (_topicId, partition) => this.#leader(this.#led[partition]!),
      onWritten: (watcher) => {
        this.#watching.add(watcher);
        return () => this.#watching.delete(watcher);
      },
    };
    return replicaFetchHandler({
      leaders,
      registration: () => this.#registration,
      clock: this.#clock,
      config: testReplicationConfig,
      quota: unlimitedQuota,
      sessionPartitionsMax: 1000,
    });
  }

  #leader(led: Led): ReplicaLeader {
    const positionOf: ReplicaLeader["positionOf"] = (from, asked) => {
      const error = asked.leaderEpoch === led.epoch ? "NONE" : "FENCED_LEADER_EPOCH";
      const isRepeated = led.repeated?.from === from && led.repeated.asked.fetchOffset === asked.fetchOffset;
      const answer = answerTo(asked, led, error);
      const isHere = error === "NONE";
      return {
        answer,
        isReadable: isHere && asked.fetchOffset < led.endOffset,
        isSteady: isHere && isRepeated && asked.fetchOffset >= led.endOffset,
        throttledBy: unthrottled,
      };
    };
    return {
      acknowledgeFetch: (from, asked) => {
        const truth = this.#truth.get(asked.partition) ?? null;
        if (!isSame(truth, asked)) this.violations.push(`acknowledged ${JSON.stringify(asked)}, the follower had ${JSON.stringify(truth)}`);
        const isCounted = asked.leaderEpoch === led.epoch;
        led.repeated = isCounted ? { from, asked } : null;
        if (isCounted && asked.fetchOffset !== led.acknowledged) {
          led.acknowledged = asked.fetchOffset;
          this.#moved(asked.partition);
        }
        return positionOf(from, asked);
      },
      endFetch: (from) => {
        if (led.repeated?.from === from) led.repeated = null;
      },
      positionOf,
      readForReplica: async (asked, maxBytes) => {
        await settled();
        const records = Buffer.alloc(Math.max(0, Math.min(led.endOffset - asked.fetchOffset, maxBytes, 3)));
        if (asked.leaderEpoch !== led.epoch) return { answer: answerTo(asked, led, "FENCED_LEADER_EPOCH"), records: [] };
        return { answer: { ...answerTo(asked, led, "NONE"), recordsBytes: records.length }, records: [records] };
      },
    };
  }

  #network(registration: number): PeerRequester {
    return {
      request: <K extends PeerKind>(_to: unknown, _kind: K, body: PeerRequest<K>, { timeoutMs, signal, onSent }: PeerCallOptions) => {
        const request = body as ReplicaFetchRequest;
        this.named += request.partitions.length;
        this.requests++;
        const truth: Truth = new Map(this.#followed.map((followed) => [followed.partition, followed.nextFetch()]));
        if (registration === this.#registration) onSent?.();
        return new Promise<PeerAnswer<K>>((resolve, reject) => {
          signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
          this.#clock.schedule(timeoutMs, () => reject(new PeerUnavailable("no answer")));
          this.#travel(() => {
            void this.#taken(request, truth).then((answer) => this.#travel(() => resolve(answer as PeerAnswer<K>)));
          });
        });
      },
    };
  }

  /** Perhaps twice, perhaps never, perhaps after what is sent later. */
  #travel(arrive: () => void): void {
    if (this.#isCalm) return arrive();
    const fate = this.#random.next();
    if (fate < 0.04) return;
    const deliver = () => {
      if (fate < 0.9) this.#onTheWay.delete(deliver);
      arrive();
    };
    if (fate < 0.6) arrive();
    else this.#onTheWay.add(deliver);
  }

  async #taken(request: ReplicaFetchRequest, truth: Truth): Promise<PeerAnswer<"replica-fetch">> {
    this.#truth = truth;
    const pending = this.#handler(request, Buffer.alloc(0), "follower"); // what it acknowledges is taken in this turn
    for (const { repeated } of this.#led) {
      if (
        repeated === null ||
        repeated.from.receivedAtMs !== this.#clock.monotonicMs() ||
        repeated.from.brokerEpoch !== request.brokerEpoch
      )
        continue;
      const had = truth.get(repeated.asked.partition) ?? null;
      if (!isSame(had, repeated.asked)) this.#noteRepeated(request, repeated.asked, had);
    }
    this.#truth = new Map();
    const { body, payload } = await pending;
    if (body.error !== "NONE") this.#suspects.delete(request);
    const suspect = this.#suspects.get(request);
    if (suspect !== undefined) this.violations.push(suspect);
    return { body, payload: Buffer.concat(payload ?? []) };
  }

  /** Only a request that is taken repeats anything. */
  readonly #suspects = new Map<ReplicaFetchRequest, string>();

  #noteRepeated(request: ReplicaFetchRequest, asked: ReplicaFetchPartition, had: ReplicaFetchPartition | null): void {
    this.#suspects.set(request, `repeated ${JSON.stringify(asked)}, the follower had ${JSON.stringify(had)}`);
  }
}

function answerTo({ partition }: ReplicaFetchPartition, led: Led, error: ReplicaFetchedPartition["error"]): ReplicaFetchedPartition {
  const { epoch: leaderEpoch, acknowledged: highWatermark } = led;
  return { topicId, partition, error, leaderEpoch, highWatermark, logStartOffset: 0, diverging: null, epochs: [], recordsBytes: 0 };
}

function isSame(a: ReplicaFetchPartition | null, b: ReplicaFetchPartition): boolean {
  return a !== null && a.fetchOffset === b.fetchOffset && a.leaderEpoch === b.leaderEpoch;
}

test("a session acknowledges what its follower has, whatever gets lost, is repeated, comes late or restarts; and it recovers", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const brokers = new TwoBrokers(seededRandom(seed));
    await brokers.run(120);
    expect(brokers.violations, `seed ${seed}`).toStrictEqual([]);
    expect(brokers.differences, `seed ${seed}`).toStrictEqual([]);
    await brokers.idle();
    expect(brokers.named, `seed ${seed}: nothing is named when nothing happens`).toBe(0);
    expect(brokers.requests, `seed ${seed}`).toBeLessThanOrEqual(11);
    await brokers.stop();
  }
}, 120_000);
