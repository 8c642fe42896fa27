import type { ConfigEntry } from "../../client/admin/admin-types.ts";
import { Admin, orThrow, type TopicDescription } from "../../client/index.ts";
import { profileFilePath, readProfiles } from "../profile/profile-file.ts";
import { addresses, defaultCluster, namedCluster } from "../profile/which-cluster.ts";
import { localAddresses } from "../up/local-cluster.ts";
import type { Candidate, FindValues } from "./candidates.ts";
import type { CommandWords } from "./command-words.ts";

/** A user who pressed a key does not wait for longer. Milliseconds. */
const findMaxMs = 1000;

type Environment = Readonly<Record<string, string | undefined>>;

/** Asks the cluster that the words name, if it answers soon. */
export function valueFinder(environment: Environment): FindValues {
  return async (kind, words) => {
    const profiles = () => readProfiles(profileFilePath(environment));
    try {
      if (kind === "profile")
        return Object.entries(profiles().profiles).map(([value, { bootstrap }]) => ({ value, about: bootstrap.join(",") }));
      const [profile = null] = words.values.get("--profile") ?? [];
      const [given] = words.values.get("--bootstrap") ?? [];
      const named = given === undefined ? namedCluster({ profile, environment: environment.OTTLA_BOOTSTRAP, profiles }) : addresses(given);
      await using admin = new Admin({
        bootstrap: named ?? localAddresses() ?? defaultCluster,
        clientId: "ottla-completion",
        connectTimeoutMs: findMaxMs,
        reachTimeoutMs: findMaxMs,
        requestTimeoutMs: findMaxMs,
        operationTimeoutMs: findMaxMs,
        // one attempt: a cluster that does not run is not waited for
        retryBackoffMs: 2 * findMaxMs,
        retryBackoffMaxMs: 2 * findMaxMs,
        signal: AbortSignal.timeout(findMaxMs),
      });
      return await askers[kind](admin, words);
    } catch {
      return []; // an error would be written into the line that is being typed
    }
  };
}

type Asker = (admin: Admin, words: CommandWords) => Promise<readonly Candidate[]>;

const askers: Readonly<Record<"topic" | "group" | "setting" | "changed-setting" | "partition" | "broker", Asker>> = {
  topic: async (admin, { typed }) =>
    (await admin.listTopics())
      .filter(({ isInternal }) => !isInternal || typed.startsWith("_"))
      .map(({ name, partitions }) => ({ value: name, about: `${partitions.length} partitions` })),
  group: async (admin) => (await admin.listGroups()).map(({ groupId, state }) => ({ value: groupId, about: state })),
  setting: async (admin, words) => (await settingsOf(admin, words)).filter(({ isReadOnly }) => !isReadOnly).map(asCandidate),
  "changed-setting": async (admin, words) => {
    const isBroker = words.command.parent?.name() === "cluster";
    const changed: readonly string[] = isBroker ? ["dynamic-broker", "dynamic-default"] : ["topic"];
    return (await settingsOf(admin, words)).filter(({ source }) => changed.includes(source)).map(asCandidate);
  },
  partition: async (admin, { positional, values }) => {
    const name = positional[0] ?? values.get("--topic")?.[0];
    const topic = (await admin.listTopics()).find((each) => each.name === name);
    return (topic?.partitions ?? []).map(({ leader }, index) => ({ value: `${index}`, about: `leader ${leader}` }));
  },
  broker: async (admin) =>
    (await admin.describeCluster()).brokers.map(({ id, host, port }) => ({ value: `${id}`, about: `${host}:${port}` })),
};

function asCandidate({ name, value }: ConfigEntry): Candidate {
  return { value: name, about: value === null ? "" : `is ${value}` };
}

/** Of the named topic; of one that is to be made, those of any other: their names are the same. Or of brokers. */
async function settingsOf(admin: Admin, words: CommandWords): Promise<readonly ConfigEntry[]> {
  const resource = words.command.parent?.name() === "cluster" ? await brokerOf(admin, words) : await topicOf(admin, words);
  if (resource === null) return [];
  return orThrow(await admin.describeConfigs([resource])).flatMap(({ configs }) => configs);
}

async function topicOf(admin: Admin, { positional }: CommandWords): Promise<{ readonly topic: string } | null> {
  const topics = await admin.listTopics();
  const byName = (name: string | undefined): TopicDescription | undefined => topics.find((each) => each.name === name);
  const topic = byName(positional[0]) ?? topics[0];
  return topic === undefined ? null : { topic: topic.name };
}

async function brokerOf(admin: Admin, { values }: CommandWords): Promise<{ readonly broker: number } | null> {
  const [given] = values.get("--broker") ?? [];
  const broker = given === undefined ? (await admin.describeCluster()).brokers[0]?.id : Number(given);
  return broker === undefined || !Number.isInteger(broker) ? null : { broker };
}
