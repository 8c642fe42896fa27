import { createHash } from "node:crypto";
import { access, mkdir, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** A program from outside, or why it is not available on this machine. */
export type Prepared<Program> =
  | { readonly program: Program; readonly missing: null }
  | { readonly program: null; readonly missing: string };

/** Sources of ours in other languages. */
export const programs = fileURLToPath(new URL("../../conformance/optional/programs", import.meta.url));
/** What was downloaded or built once is found again. */
export const cache = join(tmpdir(), "ottla-outside-clients");
const downloadMaxMs = 30_000;

export async function prepared<Program>(missing: string | null, make: () => Promise<Program>): Promise<Prepared<Program>> {
  if (missing !== null) return { program: null, missing };
  try {
    await mkdir(cache, { recursive: true });
    return { program: await make(), missing: null };
  } catch (error) {
    const [firstLine] = (error as Error).message.split("\n");
    return { program: null, missing: `cannot be had here: ${firstLine}` };
  }
}

/** Packages of Maven Central, `group/artifact/version` with slashes in the group too, as a class path. */
export async function classPath(packages: readonly string[]): Promise<string> {
  return (await Promise.all(packages.map(jar))).join(delimiter);
}

function jar(coordinates: string): Promise<string> {
  const [artifact, version] = coordinates.split("/").slice(-2);
  const name = `${artifact}-${version}.jar`;
  return cached(name, `https://repo1.maven.org/maven2/${coordinates}/${name}`);
}

/** Of what is built: another source or other packages are rebuilt. */
export function versionOf(source: Buffer, packages: string): string {
  return createHash("sha256").update(source).update(packages).digest("hex").slice(0, 16);
}

/** Downloaded once; two runs at the same time do not see each other's half. */
async function cached(name: string, url: string): Promise<string> {
  const path = join(cache, name);
  if (await exists(path)) return path;
  const answer = await fetch(url, { signal: AbortSignal.timeout(downloadMaxMs) });
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
  await writeFile(`${path}.${process.pid}`, Buffer.from(await answer.arrayBuffer()));
  await rename(`${path}.${process.pid}`, path);
  return path;
}

export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
