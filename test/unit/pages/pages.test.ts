import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { apiVersionsPage } from "../../../broker/api/api-versions-page.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const pages = globSync(["*.md", ".github/**/*.md", "{docs,examples,deploy}/**/*.md"], { cwd: root }).sort();

/** Code is not prose: what looks like a link in it is none. */
function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
}

/** As the usual forges make anchors of headings. */
function anchors(text: string): Set<string> {
  const headings = [...text.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
  return new Set([...headings, ...[...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = ""]) => id)]);
}

function targets(text: string): string[] {
  const links = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  const pictures = [...prose(text).matchAll(/\bsrc="([^"]+)"/g)].map(([, target = ""]) => target);
  return [...links, ...pictures].filter((target) => !/^[a-z]+:/.test(target));
}

test.each(pages)("every link of %s leads somewhere", (page) => {
  const text = read(page);
  const dead = targets(text).filter((target) => {
    const [file = "", anchor] = target.split("#");
    const path = file === "" ? page : normalize(join(dirname(page), file));
    if (!existsSync(join(root, path))) return true;
    return anchor !== undefined && !anchors(read(path)).has(decodeURIComponent(anchor));
  });
  expect(dead).toEqual([]);
});

test.each(globSync("docs/**/drawings/*.svg", { cwd: root }).sort())("%s is drawn for light and dark pages, and has a title", (drawing) => {
  const text = read(drawing);
  expect(text).toContain("@media(prefers-color-scheme:dark)");
  expect(text).toMatch(/<title>[^<]+<\/title>/);
  expect(text.match(/(?:fill|stroke):#/g), "colours are named once for each").toBeNull();
  expect(text.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|href/);
});

test("the page of API versions says what is served", () => {
  expect(read("docs/api-versions.md")).toBe(apiVersionsPage());
});

test("the licence is the one that the package names", () => {
  expect(JSON.parse(read("package.json")).license).toBe("Apache-2.0");
  expect(read("LICENSE")).toMatch(/^\s+Apache License\n\s+Version 2\.0, January 2004/);
  expect(read("LICENSE")).toContain("END OF TERMS AND CONDITIONS");
});

test("the workflow of the forge runs what must hold, and nothing else", () => {
  const workflow = read(".github/workflows/ci.yml");
  expect([...workflow.matchAll(/^ +- run: (.*)$/gm)].map(([, command]) => command)).toEqual([".ci/run"]);
  expect(existsSync(join(root, ".ci/run"))).toBe(true);
});
