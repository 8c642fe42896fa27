import { deepStrictEqual, ok, strictEqual } from "node:assert";
import { test } from "vitest";
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
  strictEqual(segmentFileName(0, "log"), "00000000000000000000.log");
  strictEqual(segmentFileName(2 ** 53 - 1, "timeindex"), "00009007199254740991.timeindex");
  deepStrictEqual(parseSegmentFileName("00000000000000000042.index"), { baseOffset: 42, kind: "index" });
  for (const other of ["42.log", "00000000000000000042.snapshot", "00000000000000000042.log.swap", "99999999999999999999.log"])
    strictEqual(parseSegmentFileName(other), null);
});

test("a partition's folder is the topic, a dash and the number", () => {
  deepStrictEqual(parsePartitionDirectory("a-b-12"), { topic: "a-b", partition: 12 });
  for (const other of ["lost+found", "topic", "topic-", "topic-01", "-1", "topic-99999999999"])
    strictEqual(parsePartitionDirectory(other), null, other);
});

test("a deleted folder's name is within what file systems take, and no partition's", () => {
  for (const topic of ["t", "x".repeat(249)]) {
    const name = deletedDirectoryName(`${topic}-0`, "0123456789abcdef".repeat(2));
    ok(name.length <= 255 && isDeletedDirectory(name));
  }
  ok(!isDeletedDirectory("my-delete-0") && !isDeletedDirectory("a-delete"));
});

test("checkpoints are Kafka's text, and anything else is damaged", () => {
  const offsets = new Map([
    ["a-b-0", 5],
    ["c-11", 2 ** 53 - 1],
  ]);
  strictEqual(String(encodeOffsets(offsets)), "0\n2\na-b 0 5\nc 11 9007199254740991\n");
  deepStrictEqual(decodeOffsets(encodeOffsets(offsets)), offsets);
  deepStrictEqual(decodeCheckpoint(Buffer.from("0\n0\n")), []);
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
    strictEqual(decodeOffsets(Buffer.from(damaged)), null, JSON.stringify(damaged));
});

test("a topic id is kept in the folder", () => {
  const id = "AbCdEfGhIjKlMnOpQrStUw";
  strictEqual(decodePartitionMetadata(encodePartitionMetadata(id)), id);
  for (const damaged of [
    "",
    "version: 1\ntopic_id: AbCdEfGhIjKlMnOpQrStUw",
    "version: 0\ntopic_id: short",
    "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA",
  ])
    strictEqual(decodePartitionMetadata(Buffer.from(damaged)), null);
});
