import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ottlaTagsFrom } from "../../protocol/messages/ottla-tags.ts";
import type { Fields } from "../../protocol/schema/composites.ts";
import type { MessageSpec } from "../../protocol/schema/message.ts";
import type { Shape } from "../../protocol/schema/type.ts";

/**
 * Two accounts of a message, ours and Kafka's, each told as lines of text, version by version: what is on the wire, in
 * which order, and what a field that is not reads as. They share no code beyond the words of a line.
 */

const folder = fileURLToPath(new URL("../../../shared/kafka-messages/", import.meta.url));
const folderOf44 = fileURLToPath(new URL("../../../shared/kafka-messages-4.4/", import.meta.url));

/** What is served here in versions that came after 3.9, and the table of errors, which only grew. */
const of44: ReadonlySet<string> = new Set(
  [
    "ConsumerGroupHeartbeat",
    "ConsumerGroupDescribe",
    "AlterPartitionReassignments",
    "InitProducerId",
    "ListTransactions",
    "EndTxn",
    "TxnOffsetCommit",
    "UpdateFeatures",
  ]
    .flatMap((name) => [`${name}Request.json`, `${name}Response.json`])
    .concat("errors.tsv"),
);

/** Of these 4.4 has the last version that is served, and 3.9 the first ones. */
const ofBoth: ReadonlySet<string> = new Set(
  ["OffsetCommit", "WriteTxnMarkers", "Produce"].flatMap((name) => [`${name}Request`, `${name}Response`]),
);

/** Why there is nothing to compare with; null: there is. */
export const referenceMissing = [folder, folderOf44].every((each) => existsSync(each)) ? null : `no reference definitions at ${folder}`;

interface ReferenceField {
  readonly name: string;
  readonly type: string;
  readonly versions: string;
  readonly nullableVersions?: string;
  readonly taggedVersions?: string;
  readonly tag?: number;
  readonly default?: string | number | boolean;
  readonly flexibleVersions?: string;
  readonly fields?: readonly ReferenceField[];
}

export interface ReferenceMessage {
  readonly apiKey: number;
  readonly name: string;
  readonly validVersions: string;
  readonly flexibleVersions: string;
  readonly fields: readonly ReferenceField[];
}

export function referenceText(name: string, from = of44.has(name) ? folderOf44 : folder): string {
  return readFileSync(`${from}${name}`, "utf8");
}

export function referenceMessage(name: string): ReferenceMessage {
  if (!ofBoth.has(name)) return parse(referenceText(`${name}.json`));
  const [old, now] = [folder, folderOf44].map((from) => parse(referenceText(`${name}.json`, from))) as [ReferenceMessage, ReferenceMessage];
  const [[first], [, last]] = [parseVersions(old.validVersions), parseVersions(now.validVersions)];
  return { ...now, validVersions: `${first}-${last}`, fields: withOldFields(old.fields, now.fields) };
}

/** Fields that only the older definition has, before the one that they came before there. */
function withOldFields(old: readonly ReferenceField[], now: readonly ReferenceField[]): ReferenceField[] {
  const isKept = ({ name }: ReferenceField) => now.some((field) => field.name === name);
  const fields: ReferenceField[] = [];
  let next = 0;
  for (const field of now) {
    const at = old.findIndex(({ name }) => name === field.name);
    if (at >= 0) fields.push(...old.slice(next, at).filter((each) => !isKept(each)));
    if (at >= 0) next = at + 1;
    const inside = field.fields === undefined ? {} : { fields: withOldFields(old[at]?.fields ?? [], field.fields) };
    fields.push({ ...field, ...inside });
  }
  return [...fields, ...old.slice(next).filter((each) => !isKept(each))];
}

function parse(text: string): ReferenceMessage {
  const lines = text.split("\n");
  const { commonStructs = [], ...message } = JSON.parse(lines.filter((line) => !line.trim().startsWith("//")).join("\n"));
  return { ...message, fields: withCommonStructs(message.fields, commonStructs) };
}

interface CommonStruct {
  readonly name: string;
  readonly fields: readonly ReferenceField[];
}

/** The fields with every struct that a message declares once and uses by name written out where it is used. */
function withCommonStructs(fields: readonly ReferenceField[], common: readonly CommonStruct[]): ReferenceField[] {
  return fields.map((field) => {
    const inner = field.fields ?? common.find(({ name }) => name === field.type.replace("[]", ""))?.fields;
    return inner === undefined ? field : { ...field, fields: withCommonStructs(inner, common) };
  });
}

type Versions = readonly [first: number, last: number];
const nowhere: Versions = [1, 0];

/** "3", "3-7", "3+" or "none". */
export function parseVersions(text: string | undefined): Versions {
  if (text === undefined || text === "none") return nowhere;
  if (text.endsWith("+")) return [Number(text.slice(0, -1)), Number.POSITIVE_INFINITY];
  const [first, last = first] = text.split("-").map(Number);
  return [first!, last!];
}

const within = (version: number, [first, last]: Versions) => version >= first && version <= last;

/** Kafka's account, over the versions we declare. */
export function tellReference(reference: ReferenceMessage, declared: Versions): string[] {
  const lines: string[] = [];
  for (let version = declared[0]; version <= declared[1]; version++) {
    const flexible = within(version, parseVersions(reference.flexibleVersions));
    lines.push(`v${version}${flexible ? " flexible" : ""}`);
    lines.push(...tellReferenceFields(reference.fields, version, declared, `v${version}`));
  }
  return lines;
}

function tellReferenceFields(fields: readonly ReferenceField[], version: number, declared: Versions, path: string): string[] {
  const lines: string[] = [];
  for (const field of fields) {
    const [first, last] = parseVersions(field.versions);
    if (first > declared[1] || last < declared[0]) continue;
    const at = `${path}.${ourName(field.name)}`;
    if (!within(version, [first, last])) {
      lines.push(`${at} absent: ${referenceDefault(field)}`);
      continue;
    }
    const nullable = within(version, parseVersions(field.nullableVersions)) ? "?" : "";
    const tagged = within(version, parseVersions(field.taggedVersions)) ? ` tag ${field.tag} default ${referenceDefault(field)}` : "";
    lines.push(`${at}: ${referenceType(field)}${nullable}${tagged}`);
    const inside: Versions = [Math.max(first, declared[0]), Math.min(last, declared[1])];
    if (field.fields !== undefined) lines.push(...tellReferenceFields(field.fields, version, inside, at));
  }
  return lines;
}

const ourName = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);

function referenceType({ name, type }: ReferenceField): string {
  const element = type.replace("[]", "");
  const word = /^[A-Z]/.test(element) ? "struct" : (special(name, type) ?? element);
  return type.startsWith("[]") ? `[]${word}` : word;
}

/** Kinds of ours that are a number and a string of Kafka's. */
function special(name: string, type: string): "errorCode" | "errorMessage" | undefined {
  if (name.endsWith("ErrorCode") && type === "int16") return "errorCode";
  return name.endsWith("ErrorMessage") && type === "string" ? "errorMessage" : undefined;
}

function referenceDefault(field: ReferenceField): string {
  if (field.default === "null") return "null";
  const type = referenceType(field);
  if (type.startsWith("[]")) return "[]";
  switch (type) {
    case "struct":
      return `{${(field.fields ?? []).map((inner) => `${ourName(inner.name)}: ${referenceDefault(inner)}`).join(", ")}}`;
    case "string":
    case "errorMessage":
      return JSON.stringify(field.default ?? "");
    case "bool":
      return String(field.default ?? false);
    case "uuid":
      return JSON.stringify("A".repeat(22));
    case "errorCode":
      return field.default === undefined || Number(field.default) === 0 ? '"NONE"' : `code ${field.default}`;
    default:
      return String(Number(field.default ?? 0));
  }
}

/** Our account. */
export function tellOurs(spec: MessageSpec, fields: Fields): string[] {
  const lines: string[] = [];
  for (let version = spec.versions[0]; version <= spec.versions[1]; version++) {
    const flexible = spec.flexibleSince !== null && version >= spec.flexibleSince;
    lines.push(`v${version}${flexible ? " flexible" : ""}`, ...tellFields(fields, version, `v${version}`));
  }
  return lines;
}

/** Kafka has no such field; clients that do not know it pass over it. */
export function isOurOwn({ tag }: { readonly tag?: number }): boolean {
  return tag !== undefined && tag >= ottlaTagsFrom;
}

function tellFields(fields: Fields, version: number, path: string): string[] {
  const lines: string[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const at = `${path}.${name}`;
    if (isOurOwn(field)) continue;
    if (version < (field.since ?? 0) || version > (field.until ?? Number.POSITIVE_INFINITY)) {
      lines.push(`${at} absent: ${tellValue(field.absent)}`);
      continue;
    }
    const { shape } = field;
    const nullable = shape.nullableSince !== null && version >= shape.nullableSince ? "?" : "";
    const tagged = field.tag === undefined ? "" : ` tag ${field.tag} default ${tellValue(field.absent)}`;
    lines.push(`${at}: ${tellShape(shape)}${nullable}${tagged}`);
    const inner = shape.kind === "array" ? shape.element : shape;
    if (inner.kind === "struct") lines.push(...tellFields(inner.fields, version, at));
  }
  return lines;
}

function tellShape(shape: Shape): string {
  switch (shape.kind) {
    case "primitive":
      return shape.name;
    case "struct":
      return "struct";
    case "array":
      // Kafka has no null elements: a nullable element would be a type of its own
      return `[]${tellShape(shape.element)}${shape.element.nullableSince === null ? "" : "?"}`;
  }
}

function tellValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tellValue).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  return `{${Object.entries(value)
    .map(([name, inner]) => `${name}: ${tellValue(inner)}`)
    .join(", ")}}`;
}
