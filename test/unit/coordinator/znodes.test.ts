import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBrokerRegistration, encodeBrokerRegistration } from "../../../coordinator-client/znodes/broker-registration.ts";
import { decodeClusterId, encodeClusterId } from "../../../coordinator-client/znodes/cluster-id.ts";
import { decodeConfig, decodeConfigChange, encodeConfig, encodeConfigChange } from "../../../coordinator-client/znodes/config.ts";
import {
  decodeController,
  decodeControllerEpoch,
  encodeController,
  encodeControllerEpoch,
} from "../../../coordinator-client/znodes/controller-node.ts";
import { MalformedZnode } from "../../../coordinator-client/znodes/json.ts";
import { decodePartitionState, encodePartitionState, knownIsrEpochs } from "../../../coordinator-client/znodes/partition-state.ts";
import { brokerConfigPath, numberedName, partitionStatePath } from "../../../coordinator-client/znodes/paths.ts";
import { decodeProducerIdBlock, encodeProducerIdBlock } from "../../../coordinator-client/znodes/producer-id-block.ts";
import { decodeTopicAssignment, encodeTopicAssignment } from "../../../coordinator-client/znodes/topic-assignment.ts";

const json = (text: string) => Buffer.from(text);
const topicId = "Vc0xV2bkTKyeHX5zKjGHAQ";

describe("znodes as Kafka 3.x writes them are understood", () => {
  test("a broker's registration, of version 5 and of version 4 with a member we do not know", () => {
    const five =
      '{"features":{},"listener_security_protocol_map":{"INSIDE":"PLAINTEXT","OUT":"SSL"},"endpoints":["INSIDE://b1:9092","OUT://[::1]:9093"],"jmx_port":-1,"port":9092,"host":"b1","version":5,"timestamp":"1700000000000","rack":"r1"}';
    expect(decodeBrokerRegistration("/brokers/ids/1", json(five))).toEqual({
      endpoints: [
        { listener: "INSIDE", securityProtocol: "PLAINTEXT", host: "b1", port: 9092 },
        { listener: "OUT", securityProtocol: "SSL", host: "::1", port: 9093 },
      ],
      rack: "r1",
      incarnation: null,
      peer: null,
      timestampMs: 1_700_000_000_000,
    });
    const four = '{"endpoints":["PLAINTEXT://b1:9092"],"host":"b1","port":9092,"version":4,"unheard":{"of":[1]}}';
    expect(decodeBrokerRegistration("/brokers/ids/1", json(four)).endpoints).toEqual([
      { listener: "PLAINTEXT", securityProtocol: "PLAINTEXT", host: "b1", port: 9092 },
    ]);
  });

  test("a broker's features, as far as they can be read", () => {
    const registered = (features: string) =>
      decodeBrokerRegistration("/brokers/ids/1", json(`{"features":${features},"endpoints":[],"version":5}`)).features;
    const known = new Map([["transaction.version", { min: 0, max: 2 }]]);
    expect(registered('{"transaction.version":{"min_version":0,"max_version":2}}')).toEqual(known);
    const written = { endpoints: [], rack: null, features: known, incarnation: null, peer: null, timestampMs: 1 };
    expect(decodeBrokerRegistration("/brokers/ids/1", encodeBrokerRegistration(written)).features).toEqual(known);
    for (const odd of ["{}", "null", "[]", "7", '{"a":3}', '{"a":{"min_version":-1,"max_version":2}}', `{"${"n".repeat(251)}":{}}`])
      expect(registered(odd), odd).toBeUndefined();
  });

  test("a topic, with a reassignment under way, and one from before topic ids", () => {
    const three = `{"removing_replicas":{"1":[3]},"partitions":{"1":[3,4],"0":[1,2]},"topic_id":"${topicId}","adding_replicas":{"1":[4]},"version":3}`;
    expect(decodeTopicAssignment("/brokers/topics/t", json(three))).toEqual({
      topicId,
      partitions: [
        [1, 2],
        [3, 4],
      ],
      addingReplicas: new Map([[1, [4]]]),
      removingReplicas: new Map([[1, [3]]]),
      removedReplicas: new Map(),
    });
    expect(decodeTopicAssignment("/t", json('{"version":1,"partitions":{"0":[1]}}'))).toMatchObject({ topicId: null, partitions: [[1]] });
  });

  test("a partition's state, the controller and its epoch", () => {
    expect(
      decodePartitionState(partitionStatePath("t", 0), json('{"controller_epoch":3,"leader":-1,"version":1,"leader_epoch":9,"isr":[2]}')),
    ).toEqual({ leader: -1, leaderEpoch: 9, isr: [2], isrEpochs: {}, controllerEpoch: 3, leaderRecovering: false });
    const withEpochs = '{"controller_epoch":3,"leader":1,"leader_epoch":9,"isr":[1,2,3],"ottla":{"isr_epochs":{"1":7,"3":-1,"9":5}}}';
    const state = decodePartitionState(partitionStatePath("t", 0), json(withEpochs));
    expect(state.isrEpochs).toEqual({ 1: 7, 3: -1 });
    expect(knownIsrEpochs(state, 40)).toEqual({ 1: 7, 2: 40, 3: -1 });
    expect(() => decodePartitionState("/s", json(withEpochs.replace("7", '"7"')))).toThrow(MalformedZnode);
    expect(decodeController("/controller", json('{"version":2,"brokerid":4,"timestamp":"17","kraftControllerEpoch":-1}'))).toEqual({
      brokerId: 4,
      timestampMs: 17,
    });
    expect(decodeControllerEpoch("/controller_epoch", json("12"))).toBe(12);
  });

  test("settings and what tells of their change", () => {
    expect(decodeConfig("/c", json('{"version":1,"config":{"retention.ms":"5"}}'))).toEqual({ "retention.ms": "5" });
    expect(decodeConfig("/c", Buffer.alloc(0))).toEqual({});
    const change = (text: string) => decodeConfigChange("/config/changes/config_change_0000000001", json(text));
    expect(change('{"version":2,"entity_path":"topics/t"}')).toEqual({ kind: "topic", name: "t" });
    expect(change('{"version":1,"entity_type":"topics","entity_name":"t"}')).toEqual({ kind: "topic", name: "t" });
    expect(change('{"version":2,"entity_path":"brokers/3"}')).toEqual({ kind: "broker", id: 3 });
    expect(change('{"version":2,"entity_path":"brokers/<default>"}')).toEqual({ kind: "broker", id: null });
    expect(change('{"version":2,"entity_path":"users/u/clients/c"}')).toEqual({ kind: "other", entityPath: "users/u/clients/c" });
  });
});

describe("znodes are written as Kafka's tools expect them", () => {
  const written = (data: Buffer) => JSON.parse(data.toString());

  test("byte for byte where Kafka's order is known", () => {
    const state = { leader: 1, leaderEpoch: 2, isr: [1, 2], isrEpochs: {}, controllerEpoch: 3, leaderRecovering: false };
    expect(encodePartitionState(state).toString()).toBe('{"controller_epoch":3,"leader":1,"version":1,"leader_epoch":2,"isr":[1,2]}');
    expect(written(encodePartitionState({ ...state, isrEpochs: { 2: 20, 4: 40 } })).ottla).toEqual({ isr_epochs: { 2: 20 } });
    expect(written(encodePartitionState({ ...state, leaderRecovering: true }))).toMatchObject({ leader_recovery_state: 1 });
    expect(encodeController({ brokerId: 1, timestampMs: 17 }).toString()).toBe('{"version":1,"brokerid":1,"timestamp":"17"}');
    expect(encodeControllerEpoch(7).toString()).toBe("7");
    expect(encodeClusterId("x").toString()).toBe('{"version":"1","id":"x"}');
    expect(encodeConfig({ a: "b" }).toString()).toBe('{"version":1,"config":{"a":"b"}}');
    expect(encodeConfigChange({ kind: "broker", id: null }).toString()).toBe('{"version":2,"entity_path":"brokers/<default>"}');
    expect(encodeProducerIdBlock({ brokerId: 1, firstId: 0, lastId: 999 }).toString()).toBe(
      '{"version":1,"broker":1,"block_start":"0","block_end":"999"}',
    );
    expect(brokerConfigPath(null)).toBe("/config/brokers/<default>");
  });

  test("a registration has a plaintext host and port for old tools, a rack only if there is one, and our own member", () => {
    const endpoints = [
      { listener: "OUT", securityProtocol: "SSL", host: "b1", port: 9093 },
      { listener: "INSIDE", securityProtocol: "PLAINTEXT", host: "::1", port: 9092 },
    ];
    const peer = { host: "b1", port: 9999 };
    const data = encodeBrokerRegistration({ endpoints, rack: null, incarnation: "dir", peer, timestampMs: 17 });
    expect(written(data)).toEqual({
      features: {},
      listener_security_protocol_map: { OUT: "SSL", INSIDE: "PLAINTEXT" },
      endpoints: ["OUT://b1:9093", "INSIDE://[::1]:9092"],
      jmx_port: -1,
      port: 9092,
      host: "::1",
      version: 5,
      timestamp: "17",
      ottla: { incarnation: "dir", peer },
    });
    expect(decodeBrokerRegistration("/b", data)).toEqual({ endpoints, rack: null, incarnation: "dir", peer, timestampMs: 17 });
  });

  test("whatever is written is read back", () => {
    const replicas = fc.uniqueArray(fc.nat(1_000), { maxLength: 5 });
    fc.assert(
      fc.property(fc.array(replicas, { maxLength: 12 }), fc.option(fc.constant(topicId)), (partitions, id) => {
        const reassigned = { addingReplicas: new Map([[0, [1]]]), removingReplicas: new Map(), removedReplicas: new Map([[2, [7, 8]]]) };
        const topic = { topicId: id, partitions, ...reassigned };
        expect(decodeTopicAssignment("/t", encodeTopicAssignment(topic))).toEqual(topic);
      }),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (config) => {
        expect(decodeConfig("/c", encodeConfig(config))).toEqual({ ...config });
      }),
    );
    const block = { brokerId: 1, firstId: 1_000, lastId: 1_999 };
    expect(decodeProducerIdBlock("/p", encodeProducerIdBlock(block))).toEqual(block);
  });
});

describe("a malformed znode", () => {
  const decoders: Record<string, (path: string, data: Buffer) => unknown> = {
    decodeBrokerRegistration,
    decodeClusterId,
    decodeConfig,
    decodeConfigChange,
    decodeController,
    decodeControllerEpoch,
    decodePartitionState,
    decodeProducerIdBlock,
    decodeTopicAssignment,
  };

  test.each([
    ["decodePartitionState", '{"controller_epoch":3,"leader":"1","leader_epoch":9,"isr":[2]}', '"leader" should be an integer, it is "1"'],
    [
      "decodePartitionState",
      '{"controller_epoch":3,"leader":1,"leader_epoch":9,"isr":[2.5]}',
      '"isr" should be a list of integers, it is [2.5]',
    ],
    [
      "decodePartitionState",
      '{"controller_epoch":3,"leader":1,"leader_epoch":2147483647,"isr":[2]}',
      '"leader_epoch" should be an integer',
    ],
    ["decodePartitionState", '{"controller_epoch":3,"leader":1,"leader_epoch":9,"isr":[2147483648]}', '"isr" should be a list of integers'],
    ["decodeTopicAssignment", '{"partitions":{"0":[4294967296]}}', '"partitions.0" should be a list of integers'],
    ["decodeTopicAssignment", '{"partitions":{"2147483648":[1]}}', 'has a partition "2147483648"'],
    ["decodeController", '{"brokerid":2147483648}', '"brokerid" should be an integer'],
    ["decodeController", `{"brokerid":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, '"brokerid" should be an integer'],
    ["decodeBrokerRegistration", `{"endpoints":["A://${"h".repeat(600)}:1"]}`, "is no LISTENER://host:port"],
    ["decodeBrokerRegistration", `{"endpoints":[],"rack":"${"r".repeat(2000)}"}`, "its rack has 2000 characters"],
    ["decodeTopicAssignment", '{"partitions":{"0":[1],"2":[1]}}', "1 is missing"],
    ["decodeTopicAssignment", '{"partitions":{"0":[1,1]}}', "names a replica of partition 0 twice"],
    ["decodeBrokerRegistration", '{"endpoints":["nonsense"]}', 'the endpoint "nonsense" is no LISTENER://host:port'],
    ["decodeConfig", '{"config":{"a":1}}', '"config.a" should be a string, it is 1'],
    ["decodeProducerIdBlock", '{"broker":1,"block_start":"9","block_end":"1"}', "ends before it starts"],
    ["decodeClusterId", "{}", '"id" should be a string, it is missing'],
    ["decodeController", "[]", "it is no JSON object"],
    ["decodeController", "{", "it is no JSON"],
    ["decodeControllerEpoch", "-1", 'it is no epoch: "-1"'],
  ])("(%s of %s) is an error that names the path and the fault", (decoder, text, fault) => {
    const decode = () => decoders[decoder]?.("/some/path", json(text));
    expect(decode).toThrow(MalformedZnode);
    expect(decode).toThrow(`/some/path is malformed: `);
    expect(decode).toThrow(fault);
  });

  test("of whatever bytes and shapes never gives another error", () => {
    for (const [name, decode] of Object.entries(decoders)) {
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array().map(Buffer.from), fc.json().map(json)), (data) => {
          try {
            decode("/p", data as Buffer);
          } catch (error) {
            expect(error, name).toBeInstanceOf(MalformedZnode);
          }
        }),
      );
    }
  });
});

test("settings that no client could be told of are left out, the others are read", () => {
  const config = { "retention.ms": "1", a: "v".repeat(32_767), b: "v".repeat(32_768), c: "é".repeat(16_384), ["n".repeat(250)]: "1" };
  expect(Object.keys(decodeConfig("/p", json(JSON.stringify({ config }))))).toEqual(["retention.ms", "a"]);
});

test("a child's name is a number only if it is written as one", () => {
  expect(["0", "7", "1000000000"].map(numberedName)).toEqual([0, 7, 1_000_000_000]);
  expect(["", "-1", "01", "1.5", "x", "<default>", "99999999999", "2147483648"].map(numberedName)).toEqual(Array(8).fill(null));
});
