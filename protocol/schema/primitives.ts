import type { TopicId } from "../base/ids.ts";
import { type KafkaErrorCode, kafkaErrorName, kafkaErrors } from "../errors/kafka-errors.ts";
import { printable } from "../wire/printable.ts";
import { MalformedFrame, type Reader, stringMaxBytes } from "../wire/reader.ts";
import { Unencodable, type Writer } from "../wire/writer.ts";
import type { Codec, FieldOptions, PrimitiveName, Type } from "./type.ts";

function fixed<T>(name: PrimitiveName, codec: Codec<T>): (options?: FieldOptions<T>) => Type<T> {
  return (options = {}) => ({ ...options, shape: { kind: "primitive", name, nullableSince: null }, codec: () => codec });
}

export const bool = fixed<boolean>("bool", { write: (w, v) => w.boolean(v), read: (r) => r.boolean() });
export const int8 = fixed<number>("int8", { write: (w, v) => w.int8(v), read: (r) => r.int8() });
export const int16 = fixed<number>("int16", { write: (w, v) => w.int16(v), read: (r) => r.int16() });
export const uint16 = fixed<number>("uint16", { write: (w, v) => w.uint16(v), read: (r) => r.uint16() });
export const int32 = fixed<number>("int32", { write: (w, v) => w.int32(v), read: (r) => r.int32() });
export const uint32 = fixed<number>("uint32", { write: (w, v) => w.uint32(v), read: (r) => r.uint32() });
export const int64 = fixed<number>("int64", { write: (w, v) => w.int64(v), read: (r) => r.int64() });
/** In requests, for positions, times and ids that are only compared: no number that a client sends makes its request unreadable. */
export const saturatedInt64 = fixed<number>("int64", { write: (w, v) => w.int64(v), read: (r) => r.saturatedInt64() });
export const float64 = fixed<number>("float64", { write: (w, v) => w.float64(v), read: (r) => r.float64() });
export const uuid = fixed<TopicId>("uuid", { write: (w, v) => w.uuid(v), read: (r) => r.uuid() });

/** An int16 on the wire, a name from the error table in code. */
export const errorCode = fixed<KafkaErrorCode>("errorCode", {
  write: (w, v) => w.int16(kafkaErrors[v].code),
  read: (r) => kafkaErrorName(r.int16()),
});

/** Fails with a reason when a peer sends null where the version has no null. */
function present<T>(value: T | null): T {
  if (value === null) throw new MalformedFrame("null where this version allows none");
  return value;
}

function writeStringLength(w: Writer, length: number, flexible: boolean): void {
  if (flexible) w.unsignedVarint(length + 1);
  else w.int16(length);
}

function nullableStringCodec(flexible: boolean): Codec<string | null> {
  return {
    write(w, value) {
      if (value === null) return writeStringLength(w, -1, flexible);
      const length = Buffer.byteLength(value);
      if (length > stringMaxBytes) throw new Unencodable(`a string of ${length} bytes, at most ${stringMaxBytes}`);
      writeStringLength(w, length, flexible);
      w.text(value, length);
    },
    read(r) {
      const length = flexible ? r.unsignedVarint() - 1 : r.int16();
      return length < 0 ? null : r.string(length);
    },
  };
}

/** Only for the request header's client id: flexible versions keep the old 16-bit length there. */
export const inflexibleNullableString = (options: FieldOptions<string | null> = {}): Type<string | null> => ({
  ...options,
  shape: { kind: "primitive", name: "string", nullableSince: 0 },
  codec: () => nullableStringCodec(false),
});

/**
 * A message for a human at the other end, which may quote what a peer sent. It is truncated and its control characters are escaped as it is
 * written, so no handler needs to do so. Every error message of a response is one of these.
 */
export function nullableErrorMessage({ nullableSince = 0, ...options }: NullableOptions<string> = {}): Type<string | null> {
  const codecOf = (flexible: boolean): Codec<string | null> => {
    const text = nullableStringCodec(flexible);
    return { read: text.read, write: (w, value) => text.write(w, value === null ? null : printable(value)) };
  };
  return {
    ...options,
    shape: { kind: "primitive", name: "errorMessage", nullableSince },
    codec: (version, flexible) => (version >= nullableSince ? codecOf(flexible) : (neverNull(codecOf(flexible)) as Codec<string | null>)),
  };
}

function nullableBytesCodec(flexible: boolean): Codec<Buffer | null> {
  return {
    write(w, value) {
      if (value === null) return flexible ? w.unsignedVarint(0) : w.int32(-1);
      if (flexible) w.unsignedVarint(value.length + 1);
      else w.int32(value.length);
      w.raw(value);
    },
    read(r) {
      const length = flexible ? r.unsignedVarint() - 1 : r.int32();
      return length < 0 ? null : r.view(length);
    },
  };
}

/** Record bytes in as many pieces as they were read in; together they are whole batches. They are read as one view on the frame. */
export type RecordChunks = readonly Buffer[];

function recordsCodec(flexible: boolean): Codec<RecordChunks | null> {
  const bytes = nullableBytesCodec(flexible);
  return {
    write(w, chunks) {
      if (chunks === null) return bytes.write(w, null);
      let length = 0;
      for (const chunk of chunks) length += chunk.length;
      if (flexible) w.unsignedVarint(length + 1);
      else w.int32(length);
      for (const chunk of chunks) w.raw(chunk);
    },
    read(r) {
      const view = bytes.read(r);
      return view === null ? null : [view];
    },
  };
}

function neverNull<T>(codec: Codec<T | null>): Codec<T> {
  return { write: (w: Writer, value: T) => codec.write(w, value), read: (r: Reader) => present(codec.read(r)) };
}

/** `nullableSince`: the first version in which null is allowed (0 by default for the nullable kinds). */
export interface NullableOptions<T> extends FieldOptions<T | null> {
  readonly nullableSince?: number;
}

function lengthPrefixed<T>(name: PrimitiveName, codecFor: (flexible: boolean) => Codec<T | null>) {
  const plain = (options: FieldOptions<T> = {}): Type<T> => ({
    ...options,
    shape: { kind: "primitive", name, nullableSince: null },
    codec: (_version, flexible) => neverNull(codecFor(flexible)),
  });
  const nullable = ({ nullableSince = 0, ...options }: NullableOptions<T> = {}): Type<T | null> => ({
    ...options,
    shape: { kind: "primitive", name, nullableSince },
    codec: (version, flexible) => (version >= nullableSince ? codecFor(flexible) : (neverNull(codecFor(flexible)) as Codec<T | null>)),
  });
  return [plain, nullable] as const;
}

export const [string, nullableString] = lengthPrefixed<string>("string", nullableStringCodec);
export const [bytes, nullableBytes] = lengthPrefixed<Buffer>("bytes", nullableBytesCodec);
export const [records, nullableRecords] = lengthPrefixed<RecordChunks>("records", recordsCodec);
