import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import { type OutsideClient, type PlacedRecord, type ProduceOrder, recordFromLine, recordToLine } from "./outside-client.ts";
import { cache, classPath, exists, type Prepared, prepared, programs, versionOf } from "./prepared.ts";
import { hasCommand, runToSuccess } from "./run-command.ts";

/** A client in another language, behind a small program of ours that takes `produce TOPIC CODEC`, `consume TOPIC` and perhaps more. */
export interface Program {
  /** Runs it against a cluster; returns what it printed. */
  run(bootstrap: readonly string[], args: readonly string[], input?: string): Promise<string>;
  /** The same as a process, which whoever starts it ends. */
  start(bootstrap: readonly string[], args: readonly string[]): ChildProcessWithoutNullStreams;
}

interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const programMaxMs = 120_000;

function programOf(line: (bootstrap: string, args: readonly string[]) => CommandLine): Program {
  return {
    run: async (bootstrap, given, input = "") => {
      const { command, args, env = {} } = line(bootstrap.join(","), given);
      return (await runToSuccess(command, args, { input, env, timeoutMs: programMaxMs })).stdout.toString();
    },
    start: (bootstrap, given) => {
      const { command, args, env } = line(bootstrap.join(","), given);
      return spawn(command, args, { env: { ...process.env, ...env }, stdio: "pipe" });
    },
  };
}

const prepareMaxMs = 240_000;

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

const jarsBeside = [
  "org/slf4j/slf4j-api/1.7.36",
  "org/slf4j/slf4j-nop/1.7.36",
  "com/github/luben/zstd-jni/1.5.6-4",
  "org/lz4/lz4-java/1.8.0",
  "org/xerial/snappy/snappy-java/1.1.10.5",
];

/** Apache Kafka's own client, from Maven Central: `JavaClient` with 3.9, `PatternClient` with 4, `TransactClient` with both. */
export function prepareJava(
  program: "JavaClient" | "PatternClient" | "TransactClient" = "JavaClient",
  version: "3.9.1" | "4.4.0" = program === "PatternClient" ? "4.4.0" : "3.9.1",
): Promise<Prepared<Program>> {
  return prepared(hasCommand("javac") ? null : "a Java development kit is not installed", async () => {
    const jars = [`org/apache/kafka/kafka-clients/${version}`, ...jarsBeside];
    const jarsPath = await classPath(jars);
    const source = join(programs, `${program}.java`);
    const folder = join(cache, `java-${versionOf(await readFile(source), jars.join())}`);
    if (!(await exists(join(folder, `${program}.class`))))
      await runToSuccess("javac", ["-d", folder, "-cp", jarsPath, source], { timeoutMs: prepareMaxMs });
    const options = ["-XX:TieredStopAtLevel=1", "-cp", [folder, jarsPath].join(delimiter), program];
    return programOf((bootstrap, args) => ({ command: "java", args: [...options, bootstrap, ...args] }));
  });
}

const confluentKafka = "confluent-kafka==2.16.1";
/** The last whose librdkafka speaks version 0 of the new group protocol's heartbeat, the one of Kafka 3.9. */
export const confluentKafkaOf39 = "confluent-kafka==2.8.0";

/** librdkafka through confluent-kafka's wheel, from PyPI; of today, unless another is named. */
export function preparePython(wheel = confluentKafka, source = "python_client.py"): Promise<Prepared<Program>> {
  return prepared(hasCommand("python3") ? null : "Python 3 is not installed", async () => {
    const folder = join(cache, wheel);
    if (!(await exists(join(folder, "confluent_kafka")))) {
      const options = ["--quiet", "--only-binary", ":all:", "--target", folder, "--retries", "1", "--timeout", "15"];
      await runToSuccess("python3", ["-m", "pip", "install", ...options, wheel], { timeoutMs: prepareMaxMs });
    }
    return programOf((bootstrap, [command = "", ...args]) => ({
      command: "python3",
      args: [join(programs, source), command, bootstrap, ...args],
      env: { PYTHONPATH: folder },
    }));
  });
}

interface GoProgram {
  /** Below `programs`. */
  readonly source: string;
  readonly binary: string;
  readonly modules: readonly string[];
}

const franzGo = ["github.com/twmb/franz-go@v1.18.1", "github.com/twmb/franz-go/pkg/kmsg@v1.9.0"];

/** franz-go, from the Go module proxy. */
export function prepareGo(): Promise<Prepared<Program>> {
  return prepareGoProgram({ source: "main.go", binary: "franz-client", modules: franzGo });
}

const franzGoOfTransactions = ["github.com/twmb/franz-go@v1.22.3", "github.com/twmb/franz-go/pkg/kmsg@v1.15.1"];

/** Newer, because it knows the transactions of Kafka 4. */
export function prepareFranzTransact(): Promise<Prepared<Program>> {
  return prepareGoProgram({ source: "franz-transact/main.go", binary: "franz-transact", modules: franzGoOfTransactions });
}

/** Of 2020: the last releases before its offset manager learned versions of OffsetCommit above 2. */
const olderSarama = ["github.com/Shopify/sarama@v1.27.2"];

export function prepareOlderSarama(): Promise<Prepared<Program>> {
  return prepareGoProgram({ source: "sarama/main.go", binary: "sarama-client", modules: olderSarama });
}

/** Built once per version of our program. */
function prepareGoProgram({ source: path, binary: name, modules }: GoProgram): Promise<Prepared<Program>> {
  return prepared(hasCommand("go") ? null : "Go is not installed", async () => {
    const source = await readFile(join(programs, path));
    const folder = join(cache, `${name}-${versionOf(source, modules.join())}`);
    const binary = join(folder, name);
    if (!(await exists(binary))) {
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, "main.go"), source);
      await writeFile(join(folder, "go.mod"), "module outside\n\ngo 1.21\n");
      const options = { cwd: folder, timeoutMs: prepareMaxMs, env: { GOFLAGS: "-mod=mod" } };
      await runToSuccess("go", ["get", ...modules], options);
      await runToSuccess("go", ["build", "-o", name, "."], options);
    }
    return programOf((bootstrap, args) => ({ command: binary, args: [bootstrap, ...args] }));
  });
}
