import { types } from "node:util";
import { Packr } from "msgpackr";
import { messageOf } from "../base/as-error.ts";
import { SerializationFailed } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";

/** Turns values of one type into bytes and back. Null (no key; a tombstone) never gets here: it stays null. */
export interface Serde<T> {
  serialize(value: T): Uint8Array;
  /** The bytes are a view on what was fetched: copy them to keep them. */
  deserialize(bytes: Buffer): T;
}

/** Bytes as they are. */
export const bytesSerde: Serde<Uint8Array> = { serialize: (value) => value, deserialize: (bytes) => bytes };

/** Text as UTF-8, bytes as they are; what is read is bytes. The producer's default. */
export const bytesOrText: Pick<Serde<Uint8Array | string>, "serialize"> = {
  serialize: (value) => (typeof value === "string" ? Buffer.from(value, "utf8") : value),
};

/** UTF-8 text. */
export const stringSerde: Serde<string> = {
  serialize: (value) => Buffer.from(value, "utf8"),
  deserialize: (bytes) => bytes.toString("utf8"),
};

/** JSON. `T` is whatever the caller declares: nothing is checked. */
export function jsonSerde<T>(): Serde<T> {
  return {
    serialize: (value) => {
      const text = JSON.stringify(value);
      if (text === undefined) throw new SerializationFailed("the value has no JSON form");
      return Buffer.from(text, "utf8");
    },
    deserialize: (bytes) => JSON.parse(bytes.toString("utf8")) as T,
  };
}

/** MessagePack, with its types beyond JSON: dates, binary, maps. Self-contained: any MessagePack library reads it. */
export function msgpackSerde<T>(): Serde<T> {
  // records (shared structures) are msgpackr's own extension, and would need both sides to remember
  const packr = new Packr({ useRecords: false });
  return {
    serialize: (value) => packr.pack(value),
    deserialize: (bytes) => packr.unpack(bytes) as T,
  };
}

/** Null stays null; a failing serde becomes SerializationFailed. */
export function serializeWith<T>(serde: Pick<Serde<T>, "serialize">, value: T | null | undefined, what: string): Buffer | null {
  if (value === null || value === undefined) return null;
  try {
    const bytes: unknown = serde.serialize(value);
    if (!types.isUint8Array(bytes)) throw new SerializationFailed(whyNoBytes(serde, value, bytes, what));
    return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    throw failed(`the ${what} cannot be serialized`, error);
  }
}

function whyNoBytes(serde: object, value: unknown, result: unknown, what: string): string {
  if (serde === bytesOrText) return `${what} is ${kindOf(value)}; give the producer a ${what}Serde such as jsonSerde()`;
  return `${what}Serde makes ${kindOf(result)} of it, not bytes`;
}

export function deserializeWith<T>(serde: Pick<Serde<T>, "deserialize">, bytes: Buffer | null, what: string): T | null {
  if (bytes === null) return null;
  try {
    return serde.deserialize(bytes);
  } catch (error) {
    throw failed(`the ${what} cannot be deserialized`, error);
  }
}

function failed(what: string, error: unknown): SerializationFailed {
  return new SerializationFailed(`${what}: ${messageOf(error)}`, { cause: error });
}
