import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { cache, exists, type Prepared, prepared } from "../../support/outside/prepared.ts";
import { hasCommand, runToSuccess } from "../../support/outside/run-command.ts";

const version = "1.10.1";
const installMaxMs = 300_000;
let asked: Promise<Prepared<string>> | null = null;

/**
 * @confluentinc/kafka-javascript, which brings librdkafka: the path of the module. npm downloads what was built for this Node or, where
 * that cannot be had, builds it, with Node's headers and Debian's development packages of curl, SASL, zstd and zlib. Asked for once.
 */
export function nativeModule(): Promise<Prepared<string>> {
  asked ??= prepared(hasCommand("npm") ? null : "npm is not installed", install);
  return asked;
}

async function install(): Promise<string> {
  const folder = join(cache, `kafka-javascript-${version}`);
  const module = join(folder, "node_modules", "@confluentinc", "kafka-javascript");
  if (await exists(join(module, "build", "Release", "confluent-kafka-javascript.node"))) return module;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
  // for the Node that we run on; several compilers at once do not wait for the configuration that they need
  const env = { PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`, CKJS_LINKING: "dynamic", JOBS: "1" };
  const args = ["install", "--no-audit", "--no-fund", `@confluentinc/kafka-javascript@${version}`];
  await runToSuccess("npm", args, { cwd: folder, timeoutMs: installMaxMs, env });
  return module;
}
