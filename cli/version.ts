import { readFileSync } from "node:fs";

/** The package's, from its package.json: one folder up from the sources, three from a program of the package. */
export function packageVersion(): string {
  const file = new URL(import.meta.url.endsWith(".ts") ? "../package.json" : "../../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { readonly version: string };
  return version;
}
