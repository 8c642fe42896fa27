import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { collaboratorsOf, functionsOf, type Measured } from "./measures.ts";
import {
  banned,
  closedRooms,
  collaboratorsMax,
  columnsMax,
  deterministicFolders,
  fileLinesMax,
  functionLinesMax,
  impure,
  longFunctions,
  manyCollaborators,
  mayImport,
  mayImportPackages,
  pureModules,
  realAdapters,
} from "./rules.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const topFolders = ["protocol", "coordinator-client", "placement", "broker", "client", "cli", "test"];

interface Source {
  readonly path: string;
  readonly text: string;
  /** Paths of the project's files that it imports, types included. */
  readonly imports: readonly string[];
  /** Names of packages that it imports, without those of Node. */
  readonly packages: readonly string[];
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
  const imports = specifiers.map((specifier) => relative(root, join(root, dirname(path), specifier)));
  const statements = /^(?:import|export)\b[^;"'`]*?\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm;
  const outside = [...text.matchAll(statements)].map((match) => (match[1] ?? match[2] ?? match[3]) as string);
  return { path, text, imports, packages: outside.filter((name) => !name.startsWith(".") && !name.startsWith("node:")) };
}

/** `prefix`: a folder, or one file. */
function isWithin(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

/** The longest row of the table that the file, or the folder, lies under. */
function layerOf(path: string): string {
  const layers = Object.keys(mayImport).filter((layer) => isWithin(path, layer));
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

/** What is above a limit, with how much it is: the list of what may be, which is kept as short as it can be. */
function above(files: readonly Source[], measure: (text: string) => Measured[], max: number): Record<string, number> {
  const found = files.flatMap(({ path, text }) => measure(text).map(({ name, size }) => [`${path} ${name}`, size] as const));
  return Object.fromEntries(found.filter(([, size]) => size > max));
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
      return imports.filter((target) => !allowed.some((prefix) => isWithin(target, prefix))).map((target) => `${path} imports ${target}`);
    });
    expect(violations).toEqual([]);
  });

  test("the layers are declared from the bottom up", () => {
    const layers = Object.keys(mayImport);
    const violations = Object.entries(mayImport).flatMap(([layer, row]) => {
      const below = layers.slice(0, layers.indexOf(layer));
      return row
        .filter((each) => !below.some((lower) => isWithin(lower, each) || isWithin(each, lower)))
        .map((each) => `${layer}: ${each}`);
    });
    expect(violations).toEqual([]);
  });

  test("what a layer may import, it does", () => {
    const unused = Object.entries(mayImport).flatMap(([layer, row]) => {
      const imported = sources.filter(({ path }) => layerOf(path) === layer).flatMap(({ imports }) => imports);
      return row.filter((each) => !imported.some((target) => isWithin(target, each))).map((each) => `${layer}: ${each}`);
    });
    expect(unused).toEqual([]);
  });

  test("packages are imported by the layers that need them, and each that is depended on by one", () => {
    const isKnown = (path: string, name: string) => mayImportPackages[layerOf(path)]?.includes(name) === true;
    const strangers = sources.flatMap(({ path, packages }) =>
      packages.filter((name) => !isKnown(path, name)).map((name) => `${path}: ${name}`),
    );
    expect(strangers).toEqual([]);
    const unused = Object.entries(mayImportPackages).flatMap(([layer, names]) => {
      const imported = sources.filter(({ path }) => layerOf(path) === layer).flatMap(({ packages }) => packages);
      return names.filter((name) => !imported.includes(name)).map((name) => `${layer}: ${name}`);
    });
    expect(unused).toEqual([]);
    const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly dependencies: object };
    const shipped = sources.filter(({ path }) => !path.startsWith("test/")).flatMap(({ packages }) => packages);
    expect([...new Set(shipped)].sort()).toEqual(Object.keys(dependencies).sort());
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

  const production = sources.filter(({ path }) => !path.startsWith("test/"));

  test(`no function is longer than ${functionLinesMax} lines`, () => {
    expect(above(production, functionsOf, functionLinesMax)).toEqual(longFunctions);
  });

  test(`no constructor is handed more than ${collaboratorsMax} things`, () => {
    expect(above(production, collaboratorsOf, collaboratorsMax)).toEqual(manyCollaborators);
  });

  test("what only decides waits for nothing, and asks nobody for the time", () => {
    const isPure = (path: string) => pureModules.some((module) => (module.endsWith("/") ? path.startsWith(module) : path === module));
    const pure = sources.filter(({ path }) => isPure(path));
    expect(pure.length).toBeGreaterThanOrEqual(pureModules.length);
    const violations = pure.flatMap(({ path, text }) => {
      const found = impure.exec(withoutCommentsAndStrings(text));
      return found === null ? [] : [`${path}: ${found[0]}`];
    });
    expect(violations).toEqual([]);
  });
});
