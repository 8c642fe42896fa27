/** Our own state is wrong: a bug. Never caught below `main.ts`. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
  readonly values: unknown;

  constructor(claim: string, values?: unknown) {
    super(values === undefined ? `invariant broken: ${claim}` : `invariant broken: ${claim} (${describe(values)})`);
    this.values = values;
  }
}

/** Asserts our own state. `values` is called only on failure. Never use it for what a peer sent: that is checked, with a reason. */
export function invariant(holds: boolean, claim: string, values?: () => unknown): asserts holds {
  if (!holds) throw new InvariantViolation(claim, values?.());
}

/** The end of an exhaustive switch: compiles only when every case is handled. */
export function unreachable(value: never): never {
  throw new InvariantViolation("unreachable", value);
}

function describe(values: unknown): string {
  try {
    return JSON.stringify(values, (_key, value) =>
      value instanceof Map || value instanceof Set ? [...value] : typeof value === "bigint" ? String(value) : value,
    );
  } catch {
    return String(values);
  }
}
