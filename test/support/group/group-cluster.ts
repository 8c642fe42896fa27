import { afterAll, afterEach, beforeAll } from "vitest";
import { Admin, orThrow, Producer, stringSerde } from "../../../client/index.ts";
import { TestCluster, type TestClusterOptions } from "../cluster.ts";

/** Groups form and notice a death quickly, so that tests are quick. */
const groupSettings = {
  "group.initial.rebalance.delay.ms": 200,
  "group.consumer.min.session.timeout.ms": 1_000,
  "group.consumer.session.timeout.ms": 6_000,
  "group.consumer.min.heartbeat.interval.ms": 50,
  "group.consumer.heartbeat.interval.ms": 500,
};

export interface GroupClusterOptions {
  /** Names of topics begin with it. */
  readonly topics: string;
  /** Beyond `groupSettings`, and in place of them. */
  readonly settings?: NonNullable<TestClusterOptions["settings"]>;
}

/** What tests of groups stand on: one cluster for all tests of a file, and a topic for each. */
export interface GroupCluster {
  readonly cluster: TestCluster;
  readonly admin: Admin;
  readonly producer: Producer<string, string>;
  readonly bootstrap: string[];
  /** Called after each test, in whatever order: what its members need. */
  readonly closers: (() => Promise<void> | void)[];
  /** A new topic, three replicas of each partition. */
  newTopic(partitions: number): Promise<string>;
}

/** To be called once in a test file, outside of its tests. */
export function useGroupCluster({ topics, settings = {} }: GroupClusterOptions): GroupCluster {
  let cluster: TestCluster | undefined;
  let admin: Admin | undefined;
  let producer: Producer<string, string> | undefined;
  let count = 0;
  const closers: (() => Promise<void> | void)[] = [];
  const started = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error("the cluster has not started");
    return value;
  };
  beforeAll(async () => {
    cluster = await TestCluster.start({ settings: { ...groupSettings, ...settings } });
    admin = new Admin({ bootstrap: cluster.bootstrap });
    producer = new Producer({ bootstrap: cluster.bootstrap, keySerde: stringSerde, valueSerde: stringSerde });
  });
  afterEach(async () => {
    await Promise.all(closers.splice(0).map((close) => close()));
  });
  afterAll(async () => {
    await producer?.close();
    await admin?.close();
    await cluster?.stop();
  });
  return {
    closers,
    get cluster() {
      return started(cluster);
    },
    get admin() {
      return started(admin);
    },
    get producer() {
      return started(producer);
    },
    get bootstrap() {
      return started(cluster).bootstrap;
    },
    async newTopic(partitions) {
      const name = `${topics}-${++count}`;
      orThrow(await started(admin).createTopics([{ name, partitions, replicationFactor: 3 }]));
      return name;
    },
  };
}
