import { describe, expect, test } from "vitest";
import { type ClusterImage, ImageStore, type TopicImage } from "../../../broker/cluster/cluster-image.ts";
import { ClusterNoteKeeper } from "../../../broker/cluster/cluster-note-keeper.ts";
import { decodeClusterNotes, encodeClusterNotes, readClusterNotes } from "../../../broker/cluster/cluster-notes.ts";
import { nothingFinalized } from "../../../protocol/base/features.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { ManualClock } from "../client/manual-clock.ts";

function topic(name: string, replicas: number[], config: Record<string, string> = {}): TopicImage {
  const partition = {
    partition: 0,
    replicas,
    leader: 1,
    leaderEpoch: 0,
    isr: replicas,
    isrEpochs: {},
    leaderRecovering: false,
    stateVersion: 0,
  };
  return { name, id: name.padEnd(22, "A"), partitions: [partition], config };
}

function image(topics: TopicImage[], controllerEpoch = 3): ClusterImage {
  return {
    clusterId: "c",
    controllerId: 1,
    controllerEpoch,
    brokers: new Map(),
    leavingBrokers: new Set(),
    suspectedBrokers: new Set(),
    startingLeaders: [],
    topics: new Map(topics.map((each) => [each.name, each])),
    topicNames: new Map(),
    deletedTopics: new Map(),
    brokerConfigs: new Map([["", { "log.retention.ms": "9" }]]),
    features: nothingFinalized,
    offlineReplicas: new Map(),
  };
}

test("notes are read as they were written; anything changed in them is noticed", () => {
  const notes = {
    clusterId: "c",
    controllerEpoch: 3,
    writtenMs: 5,
    topics: [{ name: "t", id: "t", assignment: [[1, 2]], config: { a: "é\n" } }],
    brokerConfigs: {},
  };
  const content = encodeClusterNotes(notes);
  expect(decodeClusterNotes(content)).toEqual(notes);
  for (let at = 0; at < content.length; at++) {
    const changed = Buffer.from(content);
    changed[at]! ^= 1;
    expect(decodeClusterNotes(changed), `byte ${at}`).toBeNull();
    expect(decodeClusterNotes(content.subarray(0, at)), `cut at ${at}`).toBeNull();
  }
});

describe("what a broker notes", () => {
  function keeper() {
    const [clock, images] = [new ManualClock(), new ImageStore("c")];
    const files = new MemoryDisk({ clock, random: seededRandom(1) }).attach();
    const made = new ClusterNoteKeeper({ images, files, directories: () => ["/a", "/b"], clock, log: silentLogger });
    const noted = async (directory = "/a") => {
      const notes = await readClusterNotes(files, directory);
      return typeof notes === "string" ? notes : notes.topics.map(({ name, assignment, config }) => [name, assignment, config]);
    };
    return { files, clock, images, made, noted };
  }

  test("is written to every directory soon after topics changed, many changes together", async () => {
    const { files, clock, images, noted } = keeper();
    await files.makeDirectory("/a");
    await files.makeDirectory("/b");
    images.replace(image([topic("t", [1, 2])]));
    images.replace(image([topic("t", [1, 2]), topic("u", [2], { "retention.ms": "1" })]));
    expect(await noted()).toBe("missing");
    await clock.advance(1_000);
    const both = [
      ["t", [[1, 2]], {}],
      ["u", [[2]], { "retention.ms": "1" }],
    ];
    expect([await noted("/a"), await noted("/b")]).toEqual([both, both]);
  });

  test("is not written again for another leader or in-sync set, but for other replicas, settings or ids", async () => {
    const { files, clock, images } = keeper();
    await files.makeDirectory("/a");
    await files.makeDirectory("/b");
    const written = async () => {
      const notes = await readClusterNotes(files, "/a");
      return typeof notes === "string" ? -1 : notes.writtenMs;
    };
    const t = topic("t", [1, 2]);
    images.replace(image([t]));
    await clock.advance(1_000);
    const first = await written();
    images.replace(image([{ ...t, partitions: [{ ...t.partitions[0]!, leader: 2, leaderEpoch: 1, isr: [2] }] }], 4));
    await clock.advance(5_000);
    expect(await written()).toBe(first);
    for (const other of [topic("t", [2, 1]), topic("t", [2, 1], { a: "1" }), { ...topic("t", [2, 1], { a: "1" }), id: "other" }]) {
      const before = await written();
      images.replace(image([other], 4));
      await clock.advance(5_000);
      expect(await written()).toBeGreaterThan(before);
    }
  });

  test("is written at a stop, when there was no time before; nothing before a controller was heard", async () => {
    const { files, images, made, noted, clock } = keeper();
    await files.makeDirectory("/a");
    images.replace(image([topic("t", [1])], -1));
    await clock.advance(5_000);
    expect(await noted()).toBe("missing");
    images.replace(image([topic("t", [1])]));
    await made.close();
    expect(await noted(), "and a directory that is not there does not keep it from the others").toEqual([["t", [[1]], {}]]);
  });
});
