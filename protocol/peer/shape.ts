/** Where a value is not what was declared: `partitions[3].leaderEpoch`, and what was expected there. */
export interface Mismatch {
  readonly path: string;
  readonly reason: string;
}

/**
 * What a value from another broker must look like before it is used. Fields that the shape does not name are allowed: a newer peer may send
 * them.
 */
export interface Shape<T> {
  /** Null: it matches. */
  check(value: unknown): Mismatch | null;
  /** Never present; ties the shape to its type. */
  readonly of?: T;
}

type FieldsOf<T> = { readonly [K in keyof T]-?: Shape<T[K]> };

/** An object with at least these fields; leaving one of the type's fields out of the shape does not compile. */
export function object<T extends object>(fields: FieldsOf<T>): Shape<T> {
  const entries = Object.entries(fields) as [string, Shape<unknown>][];
  return {
    check(value) {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wanted("an object");
      for (const [name, shape] of entries) {
        const mismatch = shape.check((value as Readonly<Record<string, unknown>>)[name]);
        if (mismatch !== null) return below(name, mismatch);
      }
      return null;
    },
  };
}

export function array<T>(element: Shape<T>, lengthMax: number): Shape<readonly T[]> {
  return {
    check(value) {
      if (!Array.isArray(value)) return wanted("an array");
      if (value.length > lengthMax) return wanted(`an array of at most ${lengthMax}, not ${value.length}`);
      for (let i = 0; i < value.length; i++) {
        const mismatch = element.check(value[i]);
        if (mismatch !== null) return below(`[${i}]`, mismatch);
      }
      return null;
    },
  };
}

/** Any keys, as long as they are not too many or too long. */
export function record<T>(element: Shape<T>, sizeMax: number, keyLengthMax: number): Shape<Readonly<Record<string, T>>> {
  return {
    check(value) {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return wanted("an object");
      const keys = Object.keys(value);
      if (keys.length > sizeMax) return wanted(`an object of at most ${sizeMax} entries, not ${keys.length}`);
      for (const key of keys) {
        if (key.length > keyLengthMax) return wanted(`keys of at most ${keyLengthMax} characters`);
        const mismatch = element.check((value as Readonly<Record<string, unknown>>)[key]);
        if (mismatch !== null) return below(`[${JSON.stringify(key)}]`, mismatch);
      }
      return null;
    },
  };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return { check: (value) => (value === null ? null : shape.check(value)) };
}

/** A field that may be left out. */
export function optional<T>(shape: Shape<T>): Shape<T> {
  return { check: (value) => (value === undefined ? null : shape.check(value)) };
}

/** A whole number in the range, both ends included. */
export function integer(min: number, max: number): Shape<number> {
  const mismatch = wanted(`a whole number from ${min} to ${max}`);
  return {
    check: (value) => (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max ? null : mismatch),
  };
}

/** Characters, as JavaScript counts them. */
export function text(lengthMax: number): Shape<string> {
  const mismatch = wanted(`text of at most ${lengthMax} characters`);
  return { check: (value) => (typeof value === "string" && value.length <= lengthMax ? null : mismatch) };
}

export function matching<T extends string>(pattern: RegExp, reason: string): Shape<T> {
  const mismatch = wanted(reason);
  return { check: (value) => (typeof value === "string" && pattern.test(value) ? null : mismatch) };
}

export function keyOf<T extends object>(table: T, reason: string): Shape<keyof T> {
  const mismatch = wanted(reason);
  return { check: (value) => (typeof value === "string" && Object.hasOwn(table, value) ? null : mismatch) };
}

const notBoolean = wanted("true or false");

export const flag: Shape<boolean> = { check: (value) => (typeof value === "boolean" ? null : notBoolean) };

function wanted(reason: string): Mismatch {
  return { path: "", reason };
}

function below(step: string, { path, reason }: Mismatch): Mismatch {
  return { path: path === "" || path.startsWith("[") ? `${step}${path}` : `${step}.${path}`, reason };
}
