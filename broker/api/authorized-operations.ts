/** Kafka's numbers of the operations in access control lists. */
const operation = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
} as const;

const bits = (...operations: readonly number[]) => operations.reduce((field, one) => field | (1 << one), 0);

/** What the fields hold when the client did not ask (KIP-430). */
export const operationsNotAsked = -(2 ** 31);

/** Everything that can be done to a topic: what every client may do while there are no access control lists. */
export const allTopicOperations = bits(
  operation.read,
  operation.write,
  operation.create,
  operation.delete,
  operation.alter,
  operation.describe,
  operation.describeConfigs,
  operation.alterConfigs,
);

export const allClusterOperations = bits(
  operation.create,
  operation.alter,
  operation.describe,
  operation.clusterAction,
  operation.describeConfigs,
  operation.alterConfigs,
  operation.idempotentWrite,
);

export const allGroupOperations = bits(
  operation.read,
  operation.describe,
  operation.delete,
  operation.describeConfigs,
  operation.alterConfigs,
);
