import { invariant } from "../base/invariant.ts";
import { MalformedFrame, type Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import type { NullableOptions } from "./primitives.ts";
import type { Codec, FieldOptions, Type, ValueOf } from "./type.ts";

// biome-ignore lint/suspicious/noExplicitAny: a field may be of any type; ValueOf recovers it
export type Fields = Readonly<Record<string, Type<any>>>;
export type StructValue<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** Fields in wire order; tagged ones anywhere. */
export function struct<F extends Fields>(fields: F, options: FieldOptions<StructValue<F>> = {}): Type<StructValue<F>> {
  return {
    ...options,
    shape: { kind: "struct", fields, nullableSince: null },
    codec: (version, flexible) => structCodec(fields, version, flexible),
  };
}

/** A struct with a presence byte before it: -1 null, 1 present (KIP-893's form, used from `nullableSince` on). */
export function nullableStruct<F extends Fields>(
  fields: F,
  { nullableSince = 0, ...options }: NullableOptions<StructValue<F>> = {},
): Type<StructValue<F> | null> {
  return {
    ...options,
    shape: { kind: "struct", fields, nullableSince },
    codec(version, flexible) {
      const inner = structCodec(fields, version, flexible);
      if (version < nullableSince) return inner as Codec<StructValue<F> | null>;
      return {
        write(w, value) {
          w.int8(value === null ? -1 : 1);
          if (value !== null) inner.write(w, value);
        },
        read: (r) => (r.int8() < 0 ? null : inner.read(r)),
      };
    },
  };
}

export function array<T>(element: Type<T>, options: FieldOptions<readonly T[]> = {}): Type<readonly T[]> {
  return {
    ...options,
    shape: { kind: "array", element: element.shape, nullableSince: null },
    codec(version, flexible) {
      const codec = nullableArrayCodec(element.codec(version, flexible), flexible);
      return {
        write: codec.write,
        read(r) {
          const value = codec.read(r);
          if (value === null) throw new MalformedFrame("null where this version needs an array");
          return value;
        },
      };
    },
  };
}

export function nullableArray<T>(
  element: Type<T>,
  { nullableSince = 0, ...options }: NullableOptions<readonly T[]> = {},
): Type<readonly T[] | null> {
  const plain = array(element);
  return {
    ...options,
    shape: { kind: "array", element: element.shape, nullableSince },
    codec: (version, flexible) =>
      version >= nullableSince
        ? nullableArrayCodec(element.codec(version, flexible), flexible)
        : (plain.codec(version, flexible) as Codec<readonly T[] | null>),
  };
}

function nullableArrayCodec<T>(element: Codec<T>, flexible: boolean): Codec<readonly T[] | null> {
  return {
    write(w, values) {
      const count = values === null ? -1 : values.length;
      if (flexible) w.unsignedVarint(count + 1);
      else w.int32(count);
      if (values !== null) for (const value of values) element.write(w, value);
    },
    read(r) {
      const count = flexible ? r.unsignedVarint() - 1 : r.int32();
      if (count < 0) return null;
      // every element takes at least one byte, so a count beyond what is left is wrong; nothing is allocated for it
      if (count > r.remaining) throw new MalformedFrame(`array of ${count} elements with ${r.remaining} bytes left`);
      r.expect(count);
      const values: T[] = [];
      for (let i = 0; i < count; i++) values.push(element.read(r));
      return values;
    },
  };
}

interface PlacedField {
  readonly name: string;
  readonly codec: Codec<unknown>;
}

interface TaggedField extends PlacedField {
  readonly tag: number;
  readonly absent: unknown;
}

/** Which of a struct's fields are present, and where, in one version. */
function placeFields(fields: Fields, version: number, flexible: boolean) {
  const positional: PlacedField[] = [];
  const tagged: TaggedField[] = [];
  const absent: [name: string, value: unknown][] = [];
  for (const [name, field] of Object.entries(fields)) {
    const onWire = version >= (field.since ?? 0) && version <= (field.until ?? Number.POSITIVE_INFINITY);
    if (field.tag !== undefined || !onWire) {
      invariant("absent" in field, "a field that may be absent says what it then reads as", () => ({ name }));
      absent.push([name, field.absent]);
    }
    if (!onWire || (field.tag !== undefined && !flexible)) continue;
    const codec = field.codec(version, flexible);
    if (field.tag === undefined) positional.push({ name, codec });
    else tagged.push({ name, codec, tag: field.tag, absent: field.absent });
  }
  tagged.sort((a, b) => a.tag - b.tag);
  return { positional, tagged, absent };
}

function structCodec<F extends Fields>(fields: F, version: number, flexible: boolean): Codec<StructValue<F>> {
  const { positional, tagged, absent } = placeFields(fields, version, flexible);
  return {
    write(w, value) {
      const record = value as Record<string, unknown>;
      for (const { name, codec } of positional) codec.write(w, record[name]);
      if (flexible) writeTagged(w, record, tagged);
    },
    read(r) {
      const record: Record<string, unknown> = {};
      for (const [name, value] of absent) record[name] = value;
      for (const { name, codec } of positional) record[name] = codec.read(r);
      if (flexible) readTagged(r, record, tagged);
      return record as StructValue<F>;
    },
  };
}

function writeTagged(w: Writer, record: Record<string, unknown>, tagged: readonly TaggedField[]): void {
  const written = tagged.filter(({ name, absent }) => !isDefault(record[name], absent));
  w.unsignedVarint(written.length);
  for (const { name, codec, tag } of written) {
    const inner = new Writer(64);
    codec.write(inner, record[name]);
    w.unsignedVarint(tag);
    w.unsignedVarint(inner.length);
    for (const chunk of inner.chunks()) w.raw(chunk);
  }
}

function isDefault(value: unknown, absent: unknown): boolean {
  if (value === absent) return true;
  if (Array.isArray(value) && Array.isArray(absent)) return value.length === 0 && absent.length === 0;
  if (value !== null && absent !== null && typeof value === "object" && typeof absent === "object" && !Array.isArray(value)) {
    const names = Object.keys(absent);
    return names.every((name) => isDefault((value as Record<string, unknown>)[name], (absent as Record<string, unknown>)[name]));
  }
  return false;
}

/** Unknown tags are skipped: that is what they are for (KIP-482). */
function readTagged(r: Reader, record: Record<string, unknown>, tagged: readonly TaggedField[]): void {
  const count = r.unsignedVarint();
  if (count > 0) r.expect(count);
  for (let i = 0; i < count; i++) {
    const tag = r.unsignedVarint();
    const size = r.unsignedVarint();
    const end = r.position + size;
    if (size > r.remaining) throw new MalformedFrame(`tagged field of ${size} bytes with ${r.remaining} left`);
    const field = tagged.find((candidate) => candidate.tag === tag);
    if (field === undefined) {
      r.skip(size);
      continue;
    }
    record[field.name] = field.codec.read(r);
    if (r.position !== end) throw new MalformedFrame(`tagged field ${tag} is not as long as it says`);
  }
}
