import { describe, expect, test } from "vitest";
import { apiVersionsApi, isSoftwareName } from "../../../broker/api/api-versions.ts";
import { describeClusterApi } from "../../../broker/api/describe-cluster.ts";
import { describeConfigsApi } from "../../../broker/api/describe-configs.ts";
import { findCoordinatorApi, noCoordinators } from "../../../broker/api/find-coordinator.ts";
import { type FinalizedFeatures, nothingFinalized } from "../../../protocol/base/features.ts";
import type { DescribeConfigsRequest } from "../../../protocol/messages/describe-configs.ts";
import { answerOf, broker, Images, image, topic, topicId } from "./fixtures.ts";

const software = { clientSoftwareName: "ottla-client", clientSoftwareVersion: "1.0" };

describe("ApiVersions", () => {
  const api = apiVersionsApi(() => [
    { apiKey: 18, versions: [0, 4] },
    { apiKey: 0, versions: [3, 11] },
  ]);
  const ask = (version: number, clientSoftwareName = "ottla-client", clientSoftwareVersion = "1.0") =>
    answerOf(api, { clientSoftwareName, clientSoftwareVersion }, version);

  test("lists what is served, and Produce from 0 on for librdkafka's sake (KAFKA-18659), in every version", async () => {
    for (let version = 0; version <= 4; version++)
      expect(await ask(version)).toMatchObject({
        errorCode: "NONE",
        apiKeys: [
          { apiKey: 0, minVersion: 0, maxVersion: 11 },
          { apiKey: 18, minVersion: 0, maxVersion: 4 },
        ],
        supportedFeatures: [],
        finalizedFeatures: [],
        finalizedFeaturesEpoch: -1,
      });
  });

  test("says which features it supports, and which of them are in force", async () => {
    const name = "transaction.version";
    let finalized: FinalizedFeatures = { epoch: 7, levels: new Map([[name, 2]]) };
    const supported = new Map([[name, { min: 0, max: 2 }]]);
    const told = (version: number) =>
      answerOf(
        apiVersionsApi(() => [], { supported, finalized: () => finalized }),
        software,
        version,
      );
    const inForce = { finalizedFeaturesEpoch: 7, finalizedFeatures: [{ name, maxVersionLevel: 2, minVersionLevel: 2 }] };
    expect(await told(4)).toMatchObject({ supportedFeatures: [{ name, minVersion: 0, maxVersion: 2 }], ...inForce });
    expect(await told(3), "older clients cannot read 0").toMatchObject({
      supportedFeatures: [{ name, minVersion: 1, maxVersion: 2 }],
      ...inForce,
    });
    expect(await told(2)).toMatchObject({ supportedFeatures: [], finalizedFeatures: [], finalizedFeaturesEpoch: -1 });
    finalized = {
      epoch: 8,
      levels: new Map([
        [name, 3],
        ["metadata.version", 14],
      ]),
    };
    expect(await told(4), "what it does not know it does not announce").toMatchObject({ finalizedFeaturesEpoch: 8, finalizedFeatures: [] });
    finalized = nothingFinalized;
    expect(await told(4)).toMatchObject({ finalizedFeaturesEpoch: -1, finalizedFeatures: [] });
    const none = apiVersionsApi(() => [], { supported: new Map(), finalized: () => ({ epoch: 7, levels: new Map([[name, 2]]) }) });
    expect(await answerOf(none, software, 4)).toMatchObject({
      supportedFeatures: [],
      finalizedFeatures: [],
      finalizedFeaturesEpoch: -1,
    });
  });

  test("refuses a client whose software has no proper name, from version 3 on", async () => {
    expect(await ask(3, "bad name")).toMatchObject({ errorCode: "INVALID_REQUEST", apiKeys: [] });
    expect(await ask(3, "good", "")).toMatchObject({ errorCode: "INVALID_REQUEST" });
    expect(await ask(2, "bad name")).toMatchObject({ errorCode: "NONE" });
    expect(["a", "apache-kafka-java", "3.9.0", "a.-b"].every(isSoftwareName)).toBe(true);
    expect(["", "-a", "a.", "ä", "a b", "a\n"].some(isSoftwareName)).toBe(false);
  });
});

describe("FindCoordinator", () => {
  const api = findCoordinatorApi({
    find: async (kind, key, listener) =>
      key === "lost"
        ? { error: "COORDINATOR_NOT_AVAILABLE", message: "not now" }
        : { error: null, node: { nodeId: 7, host: `${kind}-${key}-${listener}`, port: 9, rack: null } },
  });

  test("answers one key until version 3 and several from 4 on", async () => {
    for (let version = 0; version <= 6; version++) {
      const keys = { key: version < 4 ? "g" : "", coordinatorKeys: version < 4 ? [] : ["g", "lost"] };
      const response = await answerOf(api, { ...keys, keyType: 0 }, version);
      if (version < 4) expect(response).toMatchObject({ errorCode: "NONE", nodeId: 7, host: "group-g-PUBLIC", port: 9, coordinators: [] });
      else
        expect(response.coordinators).toEqual([
          { key: "g", nodeId: 7, host: "group-g-PUBLIC", port: 9, errorCode: "NONE", errorMessage: null },
          { key: "lost", nodeId: -1, host: "", port: -1, errorCode: "COORDINATOR_NOT_AVAILABLE", errorMessage: "not now" },
        ]);
    }
  });

  test("knows transactional ids, and refuses key types that it does not", async () => {
    const ask = async (keyType: number) => (await answerOf(api, { key: "", keyType, coordinatorKeys: ["x"] }, 6)).coordinators[0];
    expect((await ask(1))?.host).toBe("transaction-x-PUBLIC");
    expect((await ask(2))?.errorCode).toBe("INVALID_REQUEST");
  });

  test("without coordinators makes clients ask again", async () => {
    const response = await answerOf(findCoordinatorApi(noCoordinators), { key: "g", keyType: 0, coordinatorKeys: [] }, 3);
    expect(response).toMatchObject({ errorCode: "COORDINATOR_NOT_AVAILABLE", nodeId: -1 });
  });
});

test("DescribeCluster tells the brokers of the listener asked on, and has no separate controllers", async () => {
  const brokers = new Map([
    [2, broker(2, ["PUBLIC", "INSIDE"])],
    [1, broker(1)],
  ]);
  const api = describeClusterApi(new Images(image([], { brokers })));
  for (const version of [0, 1]) {
    const response = await answerOf(api, { includeClusterAuthorizedOperations: true, endpointType: 1 }, version);
    expect(response).toMatchObject({ errorCode: "NONE", clusterId: "test-cluster", controllerId: 2, clusterAuthorizedOperations: 8096 });
    expect(response.brokers.map(({ brokerId }) => brokerId)).toEqual([1, 2]);
  }
  const quiet = { includeClusterAuthorizedOperations: false, endpointType: 1 };
  const inside = await answerOf(api, quiet, 1, { listener: "INSIDE" });
  expect(inside.brokers).toEqual([{ brokerId: 2, host: "inside-2", port: 9002, rack: null }]);
  expect(inside.clusterAuthorizedOperations).toBe(-(2 ** 31));
  expect((await answerOf(api, { ...quiet, endpointType: 2 }, 1)).errorCode).toBe("MISMATCHED_ENDPOINT_TYPE");
  expect((await answerOf(api, { ...quiet, endpointType: 3 }, 1)).errorCode).toBe("UNSUPPORTED_ENDPOINT_TYPE");
});

describe("DescribeConfigs", () => {
  const images = new Images(
    image([topic("orders", topicId("o"), [], { "retention.ms": "5000" })], {
      brokerConfigs: new Map<string, Record<string, string>>([
        ["1", { "min.insync.replicas": "2" }],
        ["", { "min.insync.replicas": "3", "message.max.bytes": "777" }],
      ]),
    }),
  );
  const api = describeConfigsApi(images, { brokerId: 1, startTexts: { "log.retention.ms": "6000", "broker.id": "1" } });
  const ask = async (
    resourceType: number,
    resourceName: string,
    keys: readonly string[] | null,
    version = 4,
    more: Partial<DescribeConfigsRequest> = {},
  ) => {
    const resources = [{ resourceType, resourceName, configurationKeys: keys }];
    const { results } = await answerOf(api, { resources, includeSynonyms: false, includeDocumentation: false, ...more }, version);
    return results[0]!;
  };

  test("tells a topic's settings and where each comes from, in every version", async () => {
    for (let version = 0; version <= 4; version++) {
      const more = version >= 3 ? { includeSynonyms: true, includeDocumentation: true } : version >= 1 ? { includeSynonyms: true } : {};
      const result = await ask(2, "orders", ["retention.ms", "max.message.bytes", "no.such"], version, more);
      expect(result.configs.map(({ name, value }) => [name, value])).toEqual([
        ["max.message.bytes", "777"],
        ["retention.ms", "5000"],
      ]);
      const retention = result.configs[1];
      expect(retention?.configSource).toBe(version >= 1 ? 1 : -1);
      expect(retention?.isDefault).toBe(false);
      expect(retention?.synonyms.slice(0, 2)).toEqual(
        version >= 1
          ? [
              { name: "retention.ms", value: "5000", source: 1 },
              { name: "log.retention.ms", value: "6000", source: 4 },
            ]
          : [],
      );
      expect(retention?.configType).toBe(version >= 3 ? 5 : 0);
      expect((retention?.documentation ?? "").length > 0).toBe(version >= 3);
    }
  });

  test("null or no name at all asks for all settings; synonyms and documentation come only when asked for", async () => {
    const result = await ask(2, "orders", null);
    expect(result.configs.length).toBeGreaterThan(20);
    for (const name of ["orders", "1", ""]) {
      const type = name === "orders" ? 2 : 4;
      expect((await ask(type, name, [])).configs, name).toEqual((await ask(type, name, null)).configs);
    }
    expect(result.configs.every(({ synonyms, documentation }) => synonyms.length === 0 && documentation === null)).toBe(true);
  });

  test("tells this broker's settings and those of all brokers, not another broker's", async () => {
    const own = await ask(4, "1", ["min.insync.replicas", "broker.id"]);
    expect(own.configs.map(({ name, value, configSource, readOnly }) => [name, value, configSource, readOnly])).toEqual([
      ["broker.id", "1", 4, true],
      ["min.insync.replicas", "2", 2, false],
    ]);
    expect((await ask(4, "", null)).configs.map(({ name, value }) => [name, value])).toEqual([
      ["message.max.bytes", "777"],
      ["min.insync.replicas", "3"],
    ]);
    expect((await ask(4, "2", null)).errorCode).toBe("INVALID_REQUEST");
    expect((await ask(4, "x", null)).errorCode).toBe("INVALID_REQUEST");
  });

  test("says what there is not", async () => {
    expect(await ask(2, "nope", null)).toMatchObject({ errorCode: "UNKNOWN_TOPIC_OR_PARTITION", resourceName: "nope", configs: [] });
    expect((await ask(2, "bad name", null)).errorCode).toBe("INVALID_TOPIC_EXCEPTION");
    expect((await ask(8, "1", null)).errorCode).toBe("INVALID_REQUEST");
  });
});
