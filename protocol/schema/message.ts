import { invariant } from "../base/invariant.ts";
import type { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import { type Fields, type StructValue, struct } from "./composites.ts";
import type { Codec } from "./type.ts";

export interface MessageSpec {
  readonly name: string;
  readonly apiKey: number;
  /** First and last version declared, both inclusive. */
  readonly versions: readonly [number, number];
  /** First version in the flexible encoding (compact lengths, tagged fields; KIP-482); null: none is. */
  readonly flexibleSince: number | null;
}

/** One request or response in all its versions. */
export interface Message<T> extends MessageSpec {
  readonly fields: Fields;
  isFlexible(version: number): boolean;
  write(writer: Writer, value: T, version: number): void;
  /** Throws MalformedFrame. Bytes left over are the caller's responsibility. */
  read(reader: Reader, version: number): T;
}

export type MessageType<M> = M extends Message<infer T> ? T : never;

export function message<F extends Fields>(spec: MessageSpec, fields: F): Message<StructValue<F>> {
  const body = struct(fields);
  const codecs = new Map<number, Codec<StructValue<F>>>();
  const isFlexible = (version: number) => spec.flexibleSince !== null && version >= spec.flexibleSince;
  const codecFor = (version: number): Codec<StructValue<F>> => {
    const known = codecs.get(version);
    if (known !== undefined) return known;
    invariant(version >= spec.versions[0] && version <= spec.versions[1], "the version is one of the message's", () => ({
      name: spec.name,
      version,
    }));
    const codec = body.codec(version, isFlexible(version));
    codecs.set(version, codec);
    return codec;
  };
  return {
    ...spec,
    fields,
    isFlexible,
    write: (writer, value, version) => codecFor(version).write(writer, value),
    read: (reader, version) => codecFor(version).read(reader),
  };
}

/** The message alone, without header, as one buffer. For tests and for values kept in records. */
export function encodeWhole<T>(of: Message<T>, value: T, version: number): Buffer {
  const writer = new Writer();
  of.write(writer, value, version);
  return Buffer.concat(writer.chunks());
}
