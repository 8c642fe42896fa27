import type { Reader } from "../wire/reader.ts";
import type { Writer } from "../wire/writer.ts";

/** Writes and reads one value in one version of one message. */
export interface Codec<T> {
  write(writer: Writer, value: T): void;
  read(reader: Reader): T;
}

/** What a field looks like on the wire, for the test that compares our messages with Kafka's own definitions. */
export type Shape =
  | { readonly kind: "primitive"; readonly name: PrimitiveName; readonly nullableSince: number | null }
  | { readonly kind: "array"; readonly element: Shape; readonly nullableSince: number | null }
  | { readonly kind: "struct"; readonly fields: Readonly<Record<string, Type<unknown>>>; readonly nullableSince: number | null };

export type PrimitiveName =
  | "bool"
  | "int8"
  | "int16"
  | "errorCode" // also an int16
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "float64"
  | "uuid"
  | "string"
  | "errorMessage" // also a string
  | "bytes"
  | "records";

/** In which versions a field is on the wire, and which value it reads as where it is not. Versions are inclusive at both ends. */
export interface FieldOptions<T> {
  readonly since?: number;
  readonly until?: number;
  /**
   * The value in versions without the field. Also a tagged field's default, which is left out when written. Required with any of the other
   * options.
   */
  readonly absent?: T;
  /** KIP-482: the field travels in the tag section, from `since` on. */
  readonly tag?: number;
}

/** A field's or value's type: enough to compose a codec for any version, and to infer the TypeScript type `T`. */
export interface Type<T> extends FieldOptions<T> {
  readonly shape: Shape;
  codec(version: number, flexible: boolean): Codec<T>;
}

export type ValueOf<Y> = Y extends Type<infer T> ? T : never;
