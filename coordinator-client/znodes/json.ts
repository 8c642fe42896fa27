import { CoordinatorUnavailable } from "../coordinator.ts";

/** A znode does not hold what it should. The message names the path. Other tools write this data, so it is never an invariant. */
export class MalformedZnode extends Error {
  override readonly name = "MalformedZnode";
  readonly path: string;

  constructor(path: string, fault: string) {
    super(`the coordinator's node ${path} is malformed: ${fault}`);
    this.path = path;
  }
}

/** The largest broker id, epoch and partition: their type in Kafka's messages. */
export const int32Max = 2 ** 31 - 1;

/** A znode that must exist does not; a read may be stale, so this calls for a retry. */
export function missingNode(path: string): CoordinatorUnavailable {
  return new CoordinatorUnavailable(`the coordinator's node ${path} is missing`);
}

export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/**
 * A view on a znode's JSON object that checks each member as it is read. Members that are not read (older and newer versions have others)
 * are ignored.
 */
export class JsonNode {
  readonly path: string;
  readonly #members: Readonly<Record<string, unknown>>;
  /** Path of the object within the znode, for messages: empty at the top. */
  readonly #within: string;

  private constructor(path: string, members: Readonly<Record<string, unknown>>, within: string) {
    this.path = path;
    this.#members = members;
    this.#within = within;
  }

  static parse(path: string, data: Buffer): JsonNode {
    let value: unknown;
    try {
      value = JSON.parse(data.toString("utf8"));
    } catch {
      throw new MalformedZnode(path, "it is no JSON");
    }
    if (!isObject(value)) throw new MalformedZnode(path, "it is no JSON object");
    return new JsonNode(path, value, "");
  }

  has(name: string): boolean {
    return this.#take(name) !== undefined && this.#take(name) !== null;
  }

  integer(name: string, { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = {}): number {
    const value = this.#take(name);
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max)
      throw this.#fault(name, "an integer", value);
    return value;
  }

  text(name: string): string {
    const value = this.#take(name);
    if (typeof value !== "string") throw this.#fault(name, "a string", value);
    return value;
  }

  textOrNull(name: string): string | null {
    return this.has(name) ? this.text(name) : null;
  }

  integers(name: string, { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = {}): readonly number[] {
    const value = this.#take(name);
    if (!isListOf(value, (item): item is number => Number.isSafeInteger(item) && (item as number) >= min && (item as number) <= max)) {
      throw this.#fault(name, "a list of integers", value);
    }
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.#take(name);
    if (!isListOf(value, (item): item is string => typeof item === "string")) throw this.#fault(name, "a list of strings", value);
    return value;
  }

  /** A member that is itself an object. */
  object(name: string): JsonNode {
    const value = this.#take(name);
    if (!isObject(value)) throw this.#fault(name, "an object", value);
    return new JsonNode(this.path, value, `${this.#within}${name}.`);
  }

  objects(name: string): readonly JsonNode[] {
    const value = this.#take(name);
    if (!isListOf(value, isObject)) throw this.#fault(name, "a list of objects", value);
    return value.map((item, i) => new JsonNode(this.path, item, `${this.#within}${name}[${i}].`));
  }

  names(): readonly string[] {
    return Object.keys(this.#members);
  }

  malformed(fault: string): MalformedZnode {
    return new MalformedZnode(this.path, fault);
  }

  #take(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? this.#members[name] : undefined;
  }

  #fault(name: string, expected: string, value: unknown): MalformedZnode {
    const shown = value === undefined ? "missing" : shownOf(value);
    return new MalformedZnode(this.path, `"${this.#within}${name}" should be ${expected}, it is ${shown}`);
  }
}

function shownOf(value: unknown): string {
  try {
    return JSON.stringify(value).slice(0, 100);
  } catch {
    return "nested too deeply to be shown";
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(isItem);
}
