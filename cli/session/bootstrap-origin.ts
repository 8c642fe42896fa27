interface Facts {
  /** Where the addresses are from, other than the command line. */
  readonly origin?: string;
  /** What to do when nobody answers there; null: as usual. Asked when that happens. */
  readonly advice?: () => string | null;
  /** Nobody is known to be about to listen there, so that being refused is an answer. Asked when that happens. */
  readonly isVain?: () => boolean;
}

const known = new WeakMap<readonly string[], Facts>();

/** Remembers more of these addresses. */
export function withFacts(bootstrap: readonly string[], facts: Facts): readonly string[] {
  known.set(bootstrap, { ...known.get(bootstrap), ...facts });
  return bootstrap;
}

/** Errors say where the addresses are from: the user may not think of it. */
export function withOrigin(bootstrap: readonly string[], origin: string): readonly string[] {
  return withFacts(bootstrap, { origin });
}

/** The addresses as an error shows them; `only`: those of them that it is about. */
export function bootstrapText(bootstrap: readonly string[], only: readonly string[] = bootstrap): string {
  const origin = known.get(bootstrap)?.origin;
  const inOrder = only.toSorted((a, b) => bootstrap.indexOf(a) - bootstrap.indexOf(b));
  return `${inOrder.join(", ")}${origin === undefined ? "" : ` (${origin})`}`;
}

export function adviceFor(bootstrap: readonly string[]): string {
  return known.get(bootstrap)?.advice?.() ?? "start a cluster with `ottla up`, or name one with --bootstrap";
}

export function isVain(bootstrap: readonly string[]): boolean {
  return known.get(bootstrap)?.isVain?.() ?? false;
}
