import { lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { profileFilePath, readProfiles, writeProfiles } from "../../../cli/profile/profile-file.ts";
import { addProfile, noProfiles, parseProfiles, removeProfile, useProfile } from "../../../cli/profile/profiles.ts";
import { addresses, namedCluster } from "../../../cli/profile/which-cluster.ts";
import { bootstrapText } from "../../../cli/session/bootstrap-origin.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";

const how = { use: false, replace: false };
const two = addProfile(addProfile(noProfiles, "dev", { bootstrap: ["dev:9092"] }, how), "prod", { bootstrap: ["a:1", "b:2"] }, how);

describe("which cluster", () => {
  const named = (profile: string | null, environment: string | undefined, profiles = two) =>
    namedCluster({ profile, environment, profiles: () => profiles });

  test("is that of --profile, else of OTTLA_BOOTSTRAP, else of the profile in use, else none that is named", () => {
    expect(named("prod", "env")).toEqual(["a:1", "b:2"]);
    expect(named(null, "env,other:7")).toEqual(["env:9092", "other:7"]);
    expect(named(null, undefined)).toEqual(["dev:9092"]);
    expect(named(null, " "), "an empty variable is none").toEqual(["dev:9092"]);
    expect(named(null, undefined, useProfile(two, null))).toBeNull();
  });

  test("errors say where the addresses are from", () => {
    expect(bootstrapText(named("prod", undefined) ?? [])).toBe("a:1, b:2 (of profile prod)");
    expect(bootstrapText(named(null, "env") ?? [])).toBe("env:9092 (from OTTLA_BOOTSTRAP)");
    expect(bootstrapText(["typed:1"])).toBe("typed:1");
    expect(() => named(null, "env:99999")).toThrow('OTTLA_BOOTSTRAP: "env:99999" is no broker address: a port is a number from 1 to 65535');
    expect(() => named("none", undefined)).toThrow('there is no profile "none"; there are dev, prod');
  });

  test("an address without port means 9092", () => {
    expect(addresses("localhost, [::1],h:1")).toEqual(["localhost:9092", "[::1]:9092", "h:1"]);
    expect(() => addresses("::1")).toThrow("is no broker address: host:port is");
  });
});

describe("profiles", () => {
  test("the first one is in use at once, others when that is said; what is removed is not in use any more", () => {
    expect(two.inUse).toBe("dev");
    expect(addProfile(two, "x", { bootstrap: ["x:1"] }, { use: true, replace: false }).inUse).toBe("x");
    expect(removeProfile(two, "dev")).toEqual({ inUse: null, profiles: { prod: { bootstrap: ["a:1", "b:2"] } } });
    expect(removeProfile(two, "prod").inUse).toBe("dev");
    expect(() => useProfile(two, "none")).toThrow("there is no profile");
  });

  test("one is replaced only when that is said, and keeps what this version does not know", () => {
    const later = parseProfiles('{"profiles":{"a":{"bootstrap":["a:1"],"tls":{"ca":"f"}}},"newer":1}', "f");
    expect(() => addProfile(later, "a", { bootstrap: ["b:1"] }, how)).toThrow("--replace");
    expect(addProfile(later, "a", { bootstrap: ["b:1"] }, { use: false, replace: true })).toMatchObject({
      profiles: { a: { bootstrap: ["b:1"], tls: { ca: "f" } } },
      newer: 1,
    });
  });

  test("names are plain", () => {
    for (const name of ["", "../x", "a b", ".hidden", "__proto__", "x".repeat(65)])
      expect(() => addProfile(noProfiles, name, { bootstrap: ["x:1"] }, how), name).toThrow("cannot be a profile's name");
  });

  test("a file that cannot be understood is told, and not passed over: the command might go to another cluster", () => {
    for (const [text, why] of [
      ["{", "is not JSON"],
      ["[]", "holds no profiles"],
      ['{"profiles":{"a":{}}}', 'says of profile "a" no brokers'],
      ['{"profiles":{},"inUse":"toString"}', 'names "toString" as the profile in use'],
    ] as const)
      expect(() => parseProfiles(text, "/f")).toThrow(`/f ${why}`);
  });
});

describe("the file of profiles", () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await makeTestFolder("profiles");
    path = profileFilePath({ XDG_CONFIG_HOME: folder });
  });
  afterEach(() => removeTestFolder(folder));

  test("is in the user's configuration folder; one that is not absolute is ignored, as XDG says", () => {
    expect(path).toBe(join(folder, "ottla", "profiles.json"));
    expect(profileFilePath({ XDG_CONFIG_HOME: "relative" })).toMatch(/^\/.*\/\.config\/ottla\/profiles\.json$/);
  });

  test("is its owner's alone, and nothing else is left beside it", async () => {
    expect(readProfiles(path)).toEqual(noProfiles);
    writeProfiles(path, two);
    writeProfiles(path, two);
    expect(readProfiles(path)).toEqual(two);
    expect(((await stat(path)).mode & 0o777).toString(8)).toBe("600");
    expect(((await stat(join(folder, "ottla"))).mode & 0o777).toString(8)).toBe("700");
    expect(await readdir(join(folder, "ottla"))).toEqual(["profiles.json"]);
  });

  test("stays a link where it is one, and becomes its owner's alone where it was not", async () => {
    const elsewhere = join(folder, "dotfiles.json");
    await writeFile(elsewhere, "{}", { mode: 0o644 });
    await mkdir(join(folder, "ottla"));
    await symlink(elsewhere, path);
    writeProfiles(path, two);
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    expect(JSON.parse(await readFile(elsewhere, "utf8"))).toEqual(two);
    expect(((await stat(elsewhere)).mode & 0o777).toString(8)).toBe("600");
  });
});
