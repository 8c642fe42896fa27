import { expect, test } from "vitest";
import { decodeCheckpoint, decodeOffsets, encodeOffsets } from "../../../broker/log/files/checkpoint-file.ts";
import {
  deletedDirectoryName,
  isDeletedDirectory,
  parsePartitionDirectory,
  parseSegmentFileName,
  segmentFileName,
} from "../../../broker/log/files/file-names.ts";
import { decodePartitionMetadata, encodePartitionMetadata } from "../../../broker/log/files/folder-notes.ts";

test("segment files are named after their base offset, twenty digits", () => {
  expect(segmentFileName(0, "log")).toBe("00000000000000000000.log");
  expect(segmentFileName(2 ** 53 - 1, "timeindex")).toBe("00009007199254740991.timeindex");
  expect(parseSegmentFileName("00000000000000000042.index")).toStrictEqual({ baseOffset: 42, kind: "index" });
  for (const other of ["42.log", "00000000000000000042.snapshot", "00000000000000000042.log.swap", "99999999999999999999.log"])
    expect(parseSegmentFileName(other)).toBeNull();
});

test("a partition's folder is the topic, a dash and the number", () => {
  expect(parsePartitionDirectory("a-b-12")).toStrictEqual({ topic: "a-b", partition: 12 });
  for (const other of ["lost+found", "topic", "topic-", "topic-01", "-1", "topic-99999999999"])
    expect(parsePartitionDirectory(other), other).toBeNull();
});

test("a deleted folder's name is within what file systems take, and no partition's", () => {
  for (const topic of ["t", "x".repeat(249)]) {
    const name = deletedDirectoryName(`${topic}-0`, "0123456789abcdef".repeat(2));
    expect(name.length <= 255 && isDeletedDirectory(name)).toBeTruthy();
  }
  expect(!isDeletedDirectory("my-delete-0") && !isDeletedDirectory("a-delete")).toBeTruthy();
});

test("checkpoints are Kafka's text, and anything else is damaged", () => {
  const offsets = new Map([
    ["a-b-0", 5],
    ["c-11", 2 ** 53 - 1],
  ]);
  expect(String(encodeOffsets(offsets))).toBe("0\n2\na-b 0 5\nc 11 9007199254740991\n");
  expect(decodeOffsets(encodeOffsets(offsets))).toStrictEqual(offsets);
  expect(decodeCheckpoint(Buffer.from("0\n0\n"))).toStrictEqual([]);
  for (const damaged of [
    "",
    "0",
    "0\n1\n",
    "1\n0\n",
    "0\n1\na 0\n",
    "0\n1\na 0 -1\n",
    "0\n1\na 0 99999999999999999\n",
    "0\n1\na 0 5\nb 0 5\n",
  ])
    expect(decodeOffsets(Buffer.from(damaged)), JSON.stringify(damaged)).toBeNull();
});

test("a topic id is kept in the folder", () => {
  const id = "AbCdEfGhIjKlMnOpQrStUw";
  expect(decodePartitionMetadata(encodePartitionMetadata(id))).toBe(id);
  for (const damaged of [
    "",
    "version: 1\ntopic_id: AbCdEfGhIjKlMnOpQrStUw",
    "version: 0\ntopic_id: short",
    "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
  ])
    expect(decodePartitionMetadata(Buffer.from(damaged))).toBeNull();
});
