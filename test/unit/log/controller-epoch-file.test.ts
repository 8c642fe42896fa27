import { expect, test } from "vitest";
import { decodeControllerEpochFile, encodeControllerEpochFile } from "../../../broker/log/files/directory-notes.ts";

const seen = { clusterId: "n-_22TvViBGMr552O9Jqew", controllerEpoch: 41 };

test("the file is what it was told, byte for byte, and read back", () => {
  const content = encodeControllerEpochFile(seen);
  expect(content.toString()).toMatch(/^0\n3\ncluster n-_22TvViBGMr552O9Jqew\ncontrollerEpoch 41\ncrc32c \d+\n$/);
  expect(decodeControllerEpochFile(content)).toStrictEqual(seen);
});

test("a file that was cut anywhere, or has a changed byte, says nothing", () => {
  const content = encodeControllerEpochFile(seen);
  for (let cut = 0; cut < content.length; cut++) expect(decodeControllerEpochFile(content.subarray(0, cut)), `cut at ${cut}`).toBeNull();
  for (let at = 0; at < content.length; at++) {
    const changed = Buffer.from(content);
    changed[at]! ^= 1;
    expect(decodeControllerEpochFile(changed), `changed at ${at}`).toBeNull();
  }
});
