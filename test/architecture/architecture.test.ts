import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { banned, closedRooms, columnsMax, deterministicFolders, fileLinesMax, mayImport, realAdapters } from "./rules.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const topFolders = ["protocol", "coordinator-client", "broker", "client", "cli", "test"];

interface Source {
  readonly path: string;
  readonly text: string;
  /** Paths of the project's files that it imports, types included. */
  readonly imports: readonly string[];
}

function sourcesBelow(folder: string): Source[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sourcesBelow(path);
    return path.endsWith(".ts") ? [readSource(path)] : [];
  });
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), "utf8");
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((match) => match[1] as string);
  return { path, text, imports: specifiers.map((specifier) => relative(root, join(root, dirname(path), specifier))) };
}

/** The longest row of the table that the file lies under. */
function layerOf(path: string): string {
  const layers = Object.keys(mayImport).filter((layer) => path.startsWith(`${layer}/`));
  return layers.sort((a, b) => b.length - a.length)[0] ?? "";
}

function withoutCommentsAndStrings(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"])\/\/.*$/gm, "$1");
}

/** What cannot be wrapped is taken out first: strings, templates and regular expressions, in code only. */
function isTooLong(line: string): boolean {
  if (line.length <= columnsMax) return false;
  if (/^\s*(\*|\/\/|\/\*)/.test(line)) return true;
  return line.replace(/"(?:[^"\\]|\\.)*"|'[^']*'|`[^`]*(`|$)|\/\^.*\/[a-z]*,?$/g, '""').length > columnsMax;
}

const sources = topFolders.flatMap(sourcesBelow);

describe("the architecture", () => {
  test("there are sources to look at", () => {
    expect(sources.length).toBeGreaterThan(50);
  });

  test("imports point one way", () => {
    const violations = sources.flatMap(({ path, imports }) => {
      const layer = layerOf(path);
      const allowed = [layer, ...(mayImport[layer] ?? [])];
      return imports
        .filter((target) => !allowed.some((prefix) => target.startsWith(`${prefix}/`)))
        .map((target) => `${path} imports ${target}`);
    });
    expect(violations).toEqual([]);
  });

  test("the rooms of a layer stand on each other", () => {
    for (const room of Object.keys(closedRooms)) expect(sources.some(({ path }) => dirname(path) === room)).toBe(true);
    const violations = sources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => closedRooms[dirname(path)]?.includes(dirname(target)) === true)
        .map((target) => `${path} imports ${target}`),
    );
    expect(violations).toEqual([]);
  });

  test("no file imports itself through others", () => {
    const byPath = new Map(sources.map((source) => [source.path, source]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      const at = trail.indexOf(path);
      if (at >= 0) {
        cycles.push([...trail.slice(at), path].join(" -> "));
        return;
      }
      if (done.has(path)) return;
      for (const target of byPath.get(path)?.imports ?? []) visit(target, [...trail, path]);
      done.add(path);
    };
    for (const { path } of sources) visit(path, []);
    expect(cycles).toEqual([]);
  });

  test("nothing that is not deterministic slips in other than by injection", () => {
    const violations = sources
      .filter(({ path }) => deterministicFolders.some((folder) => path.startsWith(`${folder}/`)) && !realAdapters.includes(path))
      .flatMap(({ path, text }) => {
        const code = withoutCommentsAndStrings(text);
        return banned.filter(({ pattern }) => pattern.test(code)).map(({ what }) => `${path} touches ${what}`);
      });
    expect(violations).toEqual([]);
  });

  test(`no file is longer than ${fileLinesMax} lines`, () => {
    const long = sources
      .filter(({ text }) => text.split("\n").length > fileLinesMax + 1)
      .map(({ path, text }) => `${path}: ${text.split("\n").length}`);
    expect(long).toEqual([]);
  });

  test(`no line is longer than ${columnsMax} columns`, () => {
    const long = sources.flatMap(({ path, text }) =>
      text.split("\n").flatMap((line, at) => (isTooLong(line) && !line.includes("biome-ignore format") ? [`${path}:${at + 1}`] : [])),
    );
    expect(long).toEqual([]);
  });
});
