import type { Readable } from "node:stream";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import type { OutsideClient, PlacedRecord, ProduceOrder } from "./outside-client.ts";
import { type CommandResult, hasCommand, runCommand, runToSuccess } from "./run-command.ts";

/** Why tests with kcat cannot run here; null when they can. */
export const noKcat: string | null = hasCommand("kcat") ? null : "kcat is not installed (Debian's package kcat)";

/** Cannot occur in the samples: kcat splits its input at it. */
const betweenRecords = "\x01\x02";
const afterKey = "\x03\x04";
const escaped = (text: string) => [...text].map((c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`).join("");

/** kcat (librdkafka) against one cluster. */
export class Kcat implements OutsideClient {
  readonly name = "kcat";
  readonly codecs = compressionCodecs;
  readonly cannotSend = { timestamps: true, nullHeaders: true };
  readonly #bootstrap: string;

  constructor(bootstrap: readonly string[]) {
    this.#bootstrap = bootstrap.join(",");
  }

  /** Whatever its exit code. An empty configuration, so that the user's own does not matter. */
  run(args: readonly string[], input?: string | Buffer | Readable): Promise<CommandResult> {
    return runCommand("kcat", ["-F", "/dev/null", "-b", this.#bootstrap, ...args], input === undefined ? {} : { input });
  }

  async ok(args: readonly string[], input?: string | Buffer): Promise<string> {
    const result = await runToSuccess("kcat", ["-F", "/dev/null", "-b", this.#bootstrap, ...args], input === undefined ? {} : { input });
    return result.stdout.toString();
  }

  /** All records get the headers of the first one. Keys as Java partitions them, not by librdkafka's own default. */
  async produce({ topic, codec, records }: ProduceOrder): Promise<void> {
    const headers = (records[0]?.headers ?? []).flatMap(([name, value]) => ["-H", `${name}=${value ?? ""}`]);
    // an empty value is a null one with -Z, and the samples have no empty ones
    const input = Buffer.concat(
      records.flatMap(({ key, value }) => [
        key ?? Buffer.alloc(0),
        Buffer.from(afterKey),
        value ?? Buffer.alloc(0),
        Buffer.from(betweenRecords),
      ]),
    );
    const delimiters = ["-D", escaped(betweenRecords), "-K", escaped(afterKey)];
    const topicSettings = ["-X", "topic.partitioner=murmur2_random", "-X", "topic.acks=-1"];
    await this.ok(["-P", "-t", topic, "-Z", "-z", codec, ...delimiters, ...topicSettings, ...headers], input);
  }

  async consume(topic: string): Promise<readonly PlacedRecord[]> {
    return this.read(["-t", topic, "-o", "beginning"]);
  }

  /** What `-C -e` with these arguments finds, byte for byte. */
  async read(args: readonly string[]): Promise<PlacedRecord[]> {
    const { stdout } = await runToSuccess("kcat", [
      ...["-F", "/dev/null", "-b", this.#bootstrap, "-C", "-e", "-q", "-X", "fetch.wait.max.ms=20"],
      ...["-f", "%p %o %T %K %S %h\\n%k%s\\n", ...args],
    ]);
    return parseRecords(stdout);
  }
}

/** A line of numbers (and headers), then key and value of the lengths that it names. */
function parseRecords(output: Buffer): PlacedRecord[] {
  const found: PlacedRecord[] = [];
  let at = 0;
  const take = (length: number): Buffer | null => {
    if (length < 0) return null;
    at += length;
    return output.subarray(at - length, at);
  };
  while (at < output.length) {
    const lineEnd = output.indexOf(10, at);
    const [partition = "", offset = "", timestamp = "", keyLength = "", valueLength = "", ...headers] = output
      .subarray(at, lineEnd)
      .toString()
      .split(" ");
    at = lineEnd + 1;
    const key = take(Number(keyLength));
    const value = take(Number(valueLength));
    at++;
    found.push({
      partition: Number(partition),
      offset: Number(offset),
      timestampMs: Number(timestamp),
      key,
      value,
      headers: parseHeaders(headers.join(" ")),
    });
  }
  return found;
}

function parseHeaders(text: string): (readonly [string, Buffer | null])[] {
  if (text === "") return [];
  return text.split(",").map((pair) => {
    const equals = pair.indexOf("=");
    const value = pair.slice(equals + 1);
    return [pair.slice(0, equals), value === "NULL" ? null : Buffer.from(value)] as const;
  });
}
