/** Kafka's types of settings, by the names its own documentation uses. */
export type SettingType = "boolean" | "string" | "int" | "short" | "long" | "double" | "list";

/** Where a broker's setting may be changed: only before it starts, or also at run time, for one broker or for all. */
export type UpdateMode = "read-only" | "per-broker";

export type Unit = "bytes" | "milliseconds" | "seconds" | "minutes" | "hours" | "percent";

export type Parsed<T> = { readonly value: T } | { readonly problem: string };

/** A setting's type, default, bounds and documentation, and how it may be changed. Its name is declared next to it. */
export interface Definition<T> {
  readonly type: SettingType;
  /** Kafka's default in Kafka's text form; null when there is none (another setting is used instead, or it is required). */
  readonly defaultText: string | null;
  readonly update: UpdateMode;
  /** Changed at run time, it can be halved or doubled at most: Kafka has a pool of threads behind it. */
  readonly isStepped: boolean;
  readonly unit: Unit | null;
  /** What is accepted, human-readable: follows "must be". */
  readonly valid: string;
  readonly documentation: string;
  parse(text: string): Parsed<T>;
}

export interface DefinitionOptions {
  readonly update?: UpdateMode;
  readonly isStepped?: boolean;
  readonly unit?: Unit;
}

export interface NumberOptions extends DefinitionOptions {
  readonly min?: number;
  readonly max?: number;
}

/** Kafka's "never" and "no limit" for longs. A number cannot hold it exactly: such values read as 2^53 - 1, which is as far off. */
export const longMax = "9223372036854775807";

export const intMax = 2 ** 31 - 1;

/** With a default there is always a value. */
type Given<D, T> = null extends D ? T | null : T;

function definition<T>(
  type: SettingType,
  defaultText: string | null,
  documentation: string,
  options: DefinitionOptions,
  valid: string,
  parse: (text: string) => Parsed<T>,
): Definition<T> {
  return {
    type,
    defaultText,
    update: options.update ?? "read-only",
    isStepped: options.isStepped ?? false,
    unit: options.unit ?? null,
    valid,
    documentation,
    parse,
  };
}

export function boolean(defaultValue: boolean, documentation: string, options: DefinitionOptions = {}): Definition<boolean> {
  return definition<boolean>("boolean", String(defaultValue), documentation, options, "true or false", (text) => {
    const word = text.trim().toLowerCase();
    return word === "true" || word === "false" ? { value: word === "true" } : { problem: "must be true or false" };
  });
}

const bounds = { short: 2n ** 15n, int: 2n ** 31n, long: 2n ** 63n } as const;

function whole<D extends number | string | null>(
  type: "short" | "int" | "long",
  defaultValue: D,
  documentation: string,
  options: NumberOptions,
): Definition<Given<D, number>> {
  const min = options.min === undefined ? -bounds[type] : BigInt(options.min);
  const max = options.max === undefined ? bounds[type] - 1n : BigInt(options.max);
  const valid = `a whole number from ${min} to ${max}`;
  const parse = (text: string): Parsed<number> => {
    const digits = text.trim();
    // 20 characters hold every 64-bit number; BigInt must not be fed megabytes
    if (!/^[+-]?\d{1,20}$/.test(digits)) return { problem: `must be ${valid}` };
    const value = BigInt(digits.replace("+", ""));
    if (value < min || value > max) return { problem: `must be ${valid}` };
    return { value: Math.max(Math.min(Number(value), Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER) };
  };
  return definition(type, defaultValue === null ? null : String(defaultValue), documentation, options, valid, parse) as Definition<
    Given<D, number>
  >;
}

export function short<D extends number | null>(defaultValue: D, documentation: string, options: NumberOptions = {}) {
  return whole("short", defaultValue, documentation, options);
}

export function int<D extends number | null>(defaultValue: D, documentation: string, options: NumberOptions = {}) {
  return whole("int", defaultValue, documentation, options);
}

export function long<D extends number | typeof longMax | null>(defaultValue: D, documentation: string, options: NumberOptions = {}) {
  return whole("long", defaultValue, documentation, options);
}

/** The default is text where Java writes a number otherwise. */
export function double(defaultValue: number | string, documentation: string, options: NumberOptions = {}): Definition<number> {
  const { min = -Number.MAX_VALUE, max = Number.MAX_VALUE } = options;
  const bounded = options.min !== undefined || options.max !== undefined;
  const valid = bounded ? `a number from ${min} to ${max}` : "a number";
  return definition<number>("double", String(defaultValue), documentation, options, valid, (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    return value >= min && value <= max ? { value } : { problem: `must be ${valid}` };
  });
}

export function string<D extends string | null>(
  defaultValue: D,
  documentation: string,
  options: DefinitionOptions = {},
): Definition<Given<D, string>> {
  return definition("string", defaultValue, documentation, options, "text", (text) => ({ value: text.trim() })) as Definition<
    Given<D, string>
  >;
}

export function oneOf<const C extends string>(
  choices: readonly C[],
  defaultValue: C,
  documentation: string,
  options: DefinitionOptions = {},
): Definition<C> {
  const valid = `one of ${choices.join(", ")}`;
  return definition<C>("string", defaultValue, documentation, options, valid, (text) => {
    const value = choices.find((choice) => choice === text.trim());
    return value === undefined ? { problem: `must be ${valid}` } : { value };
  });
}

/** For constraints on a text beyond its type: `valid` follows "must be". */
export function restricted<T>(base: Definition<T>, valid: string, accepts: (value: T) => boolean): Definition<T> {
  return {
    ...base,
    valid,
    parse: (text) => {
      const parsed = base.parse(text);
      return "value" in parsed && accepts(parsed.value) ? parsed : { problem: `must be ${valid}` };
    },
  };
}

/** Comma-separated. `choices`: the only elements accepted. */
export function list<D extends string | null>(
  defaultValue: D,
  documentation: string,
  options: DefinitionOptions & { readonly choices?: readonly string[]; readonly emptyAllowed?: boolean } = {},
): Definition<Given<D, readonly string[]>> {
  const { choices, emptyAllowed = false } = options;
  const valid = choices === undefined ? "a comma-separated list" : `a comma-separated list of ${choices.join(", ")}`;
  const parse = (text: string): Parsed<readonly string[]> => {
    const value = text
      .split(",")
      .map((element) => element.trim())
      .filter((element) => element !== "");
    if (value.length === 0 && !emptyAllowed) return { problem: `must be ${valid}, not empty` };
    if (choices !== undefined && !value.every((element) => choices.includes(element))) return { problem: `must be ${valid}` };
    return { value };
  };
  return definition("list", defaultValue, documentation, options, valid, parse) as Definition<Given<D, readonly string[]>>;
}
