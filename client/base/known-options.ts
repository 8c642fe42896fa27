import { nearestName } from "../../protocol/base/nearest-name.ts";
import type { ClientOptions } from "./client-options.ts";
import { InvalidArgument } from "./errors.ts";
import { kindOf } from "./kind-of.ts";

/** Every option of `Options`, and nothing else: the type checker keeps it complete. */
export type OptionNames<Options> = { readonly [Name in keyof Options]-?: true };

export const clientOptionNames: OptionNames<ClientOptions> = {
  bootstrap: true,
  clientId: true,
  requestTimeoutMs: true,
  slowAfterMs: true,
  connectTimeoutMs: true,
  reachTimeoutMs: true,
  retryBackoffMs: true,
  retryBackoffMaxMs: true,
  metadataMaxAgeMs: true,
  responseBytesMax: true,
  signal: true,
  logger: true,
  runtime: true,
};

/** Of a client's options, those that clients of every kind have. */
export function commonOptionsOf<Options extends ClientOptions>(options: Options): ClientOptions {
  const common = Object.entries(options).filter(([name]) => Object.hasOwn(clientOptionNames, name));
  return Object.fromEntries(common) as unknown as ClientOptions;
}

/** What other clients call our options. */
const otherwiseNamed: Readonly<Record<string, string>> = {
  brokers: "bootstrap",
  bootstrapBrokers: "bootstrap",
  bootstrapServers: "bootstrap",
  groupId: "group",
  fromBeginning: 'offsetReset: "earliest"',
  idempotent: "enableIdempotence",
  connectionTimeout: "connectTimeoutMs",
  minBytes: "fetchBytesMin",
  maxBytes: "fetchBytesMax",
  maxBytesPerPartition: "partitionBytesMax",
  maxWaitTimeInMs: "fetchWaitMaxMs",
  createPartitioner: "partitioner",
  logCreator: "logger",
  logLevel: "logger",
  partitionAssigners: "assignors",
  rebalanceTimeout: "maxPollIntervalMs",
  partitionsConsumedConcurrently: "concurrency",
  isolationLevel: "isolation",
  readUncommitted: 'isolation: "read_uncommitted"',
  transactionTimeout: "transactionTimeoutMs",
};

const notThereYet: ReadonlySet<string> = new Set(["ssl", "tls", "sasl"]);

/** Throws InvalidArgument for options that this client does not have: they would have no effect, without a word. */
export function checkOptions(client: string, options: unknown, known: Readonly<Record<string, true>>): void {
  if (typeof options !== "object" || options === null)
    throw new InvalidArgument(
      `the options of ${client} are ${kindOf(options)}: it needs bootstrap at least, as in new ${client}({ bootstrap: "127.0.0.1:9092" })`,
    );
  const unknown = unknownOption(options, known);
  if (unknown !== null) throw new InvalidArgument(`${client} has no option ${unknown.slice(0, 100)}${instead(client, unknown, known)}`);
}

/** What is undefined is not given. */
export function unknownOption(options: object, known: Readonly<Record<string, true>>): string | null {
  return Object.entries(options).find(([name, value]) => value !== undefined && !Object.hasOwn(known, name))?.[0] ?? null;
}

/** `client`: whose options are declared as `ClientOptions`. */
export function instead(client: string, name: string, known: Readonly<Record<string, true>>): string {
  if (notThereYet.has(name)) return ": not there yet";
  const ours = Object.hasOwn(otherwiseNamed, name) ? otherwiseNamed[name] : undefined;
  if (ours !== undefined && Object.hasOwn(known, ours.split(":")[0] as string)) return `: it is called ${ours} here`;
  const near = nearestName(name, Object.keys(known));
  return near === null ? `: ${client}Options lists those that there are` : `; did you mean ${near}?`;
}
