import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import { type OutsideClient, type PlacedRecord, type ProduceOrder, recordFromLine, recordToLine } from "./outside-client.ts";
import { hasCommand, runToSuccess } from "./run-command.ts";

/** A client in another language, behind a small program of ours that takes `produce TOPIC CODEC`, `consume TOPIC` and perhaps more. */
export interface Program {
  /** Runs it against a cluster; answers what it printed. */
  run(bootstrap: readonly string[], args: readonly string[], input?: string): Promise<string>;
}

/** The program, or why it cannot be had on this machine. */
export type Prepared = { readonly program: Program; readonly missing: null } | { readonly program: null; readonly missing: string };

const programs = fileURLToPath(new URL("../../conformance/optional/programs", import.meta.url));
/** What was downloaded or built once is found again. */
const cache = join(tmpdir(), "ottla-outside-clients");
const prepareMaxMs = 100_000;
const downloadMaxMs = 30_000;

export class ProgramClient implements OutsideClient {
  readonly name: string;
  readonly codecs = compressionCodecs;
  readonly cannotSend: { readonly nullHeaders?: boolean };
  readonly #program: Program;
  readonly #bootstrap: readonly string[];

  constructor(name: string, program: Program, bootstrap: readonly string[], cannotSend: { readonly nullHeaders?: boolean } = {}) {
    this.name = name;
    this.#program = program;
    this.#bootstrap = bootstrap;
    this.cannotSend = cannotSend;
  }

  async produce({ topic, codec, records }: ProduceOrder): Promise<void> {
    await this.#program.run(this.#bootstrap, ["produce", topic, codec], `${records.map(recordToLine).join("\n")}\n`);
  }

  async consume(topic: string): Promise<readonly PlacedRecord[]> {
    const printed = await this.#program.run(this.#bootstrap, ["consume", topic]);
    return printed
      .split("\n")
      .filter((line) => line !== "")
      .map(recordFromLine);
  }
}

async function prepared(missing: string | null, make: () => Promise<Program>): Promise<Prepared> {
  if (missing !== null) return { program: null, missing };
  try {
    await mkdir(cache, { recursive: true });
    return { program: await make(), missing: null };
  } catch (error) {
    const [firstLine] = (error as Error).message.split("\n");
    return { program: null, missing: `cannot be had here: ${firstLine}` };
  }
}

const jars: readonly (readonly [path: string, name: string])[] = [
  ["org/apache/kafka/kafka-clients/3.9.1", "kafka-clients-3.9.1.jar"],
  ["org/slf4j/slf4j-api/1.7.36", "slf4j-api-1.7.36.jar"],
  ["org/slf4j/slf4j-nop/1.7.36", "slf4j-nop-1.7.36.jar"],
  ["com/github/luben/zstd-jni/1.5.6-4", "zstd-jni-1.5.6-4.jar"],
  ["org/lz4/lz4-java/1.8.0", "lz4-java-1.8.0.jar"],
  ["org/xerial/snappy/snappy-java/1.1.10.5", "snappy-java-1.1.10.5.jar"],
];

/** Apache Kafka's own client, from Maven Central. */
export function prepareJava(): Promise<Prepared> {
  return prepared(hasCommand("javac") ? null : "a Java development kit is not installed", async () => {
    const paths = await Promise.all(jars.map(([path, name]) => cached(name, `https://repo1.maven.org/maven2/${path}/${name}`)));
    const source = join(programs, "JavaClient.java");
    const folder = join(cache, `java-${versionOf(await readFile(source), jars.join())}`);
    if (!(await exists(join(folder, "JavaClient.class"))))
      await runToSuccess("javac", ["-d", folder, "-cp", paths.join(delimiter), source], { timeoutMs: prepareMaxMs });
    return {
      run: async (bootstrap, args, input = "") => {
        const all = ["-XX:TieredStopAtLevel=1", "-cp", [folder, ...paths].join(delimiter), "JavaClient", bootstrap.join(","), ...args];
        return (await runToSuccess("java", all, { input })).stdout.toString();
      },
    };
  });
}

/** Of what is built: another source or other packages are built anew. */
function versionOf(source: Buffer, packages: string): string {
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

const confluentKafka = "confluent-kafka==2.16.1";
/** The last whose librdkafka speaks version 0 of the new group protocol's heartbeat, the one of Kafka 3.9. */
export const confluentKafkaOf39 = "confluent-kafka==2.8.0";

/** librdkafka through confluent-kafka's wheel, from PyPI; of today, unless another is named. */
export function preparePython(wheel = confluentKafka): Promise<Prepared> {
  return prepared(hasCommand("python3") ? null : "Python 3 is not installed", async () => {
    const folder = join(cache, wheel);
    if (!(await exists(join(folder, "confluent_kafka")))) {
      const options = ["--quiet", "--only-binary", ":all:", "--target", folder, "--retries", "1", "--timeout", "15"];
      await runToSuccess("python3", ["-m", "pip", "install", ...options, wheel], { timeoutMs: prepareMaxMs });
    }
    return {
      run: async (bootstrap, [command = "", ...args], input = "") => {
        const all = [join(programs, "python_client.py"), command, bootstrap.join(","), ...args];
        return (await runToSuccess("python3", all, { input, env: { PYTHONPATH: folder } })).stdout.toString();
      },
    };
  });
}

const franzGo = ["github.com/twmb/franz-go@v1.18.1", "github.com/twmb/franz-go/pkg/kmsg@v1.9.0"];

/** franz-go, from the Go module proxy; built once per version of our program. */
export function prepareGo(): Promise<Prepared> {
  return prepared(hasCommand("go") ? null : "Go is not installed", async () => {
    const source = await readFile(join(programs, "main.go"));
    const folder = join(cache, `franz-go-${versionOf(source, franzGo.join())}`);
    const binary = join(folder, "franz-client");
    if (!(await exists(binary))) {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "main.go"), source);
      await writeFile(join(folder, "go.mod"), "module outside\n\ngo 1.21\n");
      const options = { cwd: folder, timeoutMs: prepareMaxMs, env: { GOFLAGS: "-mod=mod" } };
      await runToSuccess("go", ["get", ...franzGo], options);
      await runToSuccess("go", ["build", "-o", "franz-client", "."], options);
    }
    return {
      run: async (bootstrap, args, input = "") => (await runToSuccess(binary, [bootstrap.join(","), ...args], { input })).stdout.toString(),
    };
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
