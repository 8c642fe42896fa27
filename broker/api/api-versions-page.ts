import { type ApiName, apis } from "../../protocol/messages/apis.ts";

/** What each API is for, in the order of the page: by who uses it. One that is missing does not compile. */
const purposes: Readonly<Record<ApiName, string>> = {
  apiVersions: "which of these a broker serves; the first request of every client",
  metadata: "brokers, topics, and who leads each partition",
  produce: "append records",
  initProducerId: "an id for an idempotent producer; for a transactional one, which fences who had its id",
  fetch: "read records; with fetch sessions and topic ids",
  listOffsets: "where a partition begins and ends; the offset of a time",
  offsetForLeaderEpoch: "where a leader epoch ended: has the log parted from what was read?",
  findCoordinator: "the broker that coordinates a group, or a transactional id",
  joinGroup: "become a member of a classic group",
  syncGroup: "its assignment: brought by the group's leader, fetched by the members",
  heartbeat: "still a member of a classic group",
  leaveGroup: "not a member any more",
  consumerGroupHeartbeat: "the new group protocol (KIP-848): join, stay, leave, all in one; subscriptions by expression",
  offsetCommit: "store the positions of a group",
  offsetFetch: "read them",
  offsetDelete: "forget those of some topics",
  listGroups: "all groups that a broker coordinates",
  describeGroups: "the members of classic groups",
  consumerGroupDescribe: "the members of groups with the new protocol",
  deleteGroups: "delete groups and their positions",
  addPartitionsToTxn: "partitions join a transaction; from 4 on for brokers, several transactions at once",
  addOffsetsToTxn: "a group's positions join it",
  txnOffsetCommit: "positions of a group that count when the transaction is committed",
  endTxn: "commit a transaction, or abort it",
  writeTxnMarkers: "end what hangs in a partition, for operators",
  listTransactions: "transactional ids that a broker coordinates, and their states",
  describeTransactions: "one of them: its partitions and since when it is open",
  createTopics: "create topics",
  deleteTopics: "delete topics",
  createPartitions: "add partitions to topics",
  deleteRecords: "delete the oldest records of partitions",
  describeTopicPartitions: "partitions of topics, page by page",
  describeProducers: "the idempotent producers that a partition knows, and what they have open",
  electLeaders: "have preferred replicas lead, or, where nobody in sync is left, others",
  alterPartitionReassignments: "move partitions to other brokers, or cancel such a move",
  listPartitionReassignments: "the moves that are under way",
  describeCluster: "brokers and controller",
  describeConfigs: "settings of topics and brokers",
  alterConfigs: "replace them",
  incrementalAlterConfigs: "change some of them",
  updateFeatures: "what the brokers act by only when all of them can",
  describeLogDirs: "log directories, with the replicas in them and their sizes",
  alterReplicaLogDirs: "move replicas between directories of a broker",
};

const head = `# API versions

The requests of the Kafka protocol that a broker serves, and their versions. They are those of Kafka 3.9, and of the new group protocol and
of transactions also those of Kafka 4. This page is generated from the protocol's messages by \`npm run docs\`; a test keeps it up to date.
Which clients they suit: [clients.md](clients.md).

| API | Key | Versions | What it is for |
| --- | ---: | --- | --- |
`;

const tail = `
ApiVersions says Produce 0 to 12, though 3 is the first that is served ([decision 7](decisions.md)): librdkafka would not compress
otherwise. A request in a version that is not served closes its connection, with one line in the broker's log. Not served at all: SASL and
access control, two-phase commit, quotas, delegation tokens, and what Kafka's brokers and controllers say to each other.
`;

/** docs/api-versions.md, whole. */
export function apiVersionsPage(): string {
  const rows = (Object.entries(purposes) as [ApiName, string][]).map(([name, purpose]) => {
    const { request, name: kafkaName } = apis[name];
    const [first, last] = request.versions;
    return `| ${kafkaName} | ${request.apiKey} | ${first === last ? first : `${first} to ${last}`} | ${purpose} |\n`;
  });
  return `${head}${rows.join("")}${tail}`;
}
