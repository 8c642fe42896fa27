const origins = new WeakMap<readonly string[], string>();

/** Remembers where these addresses are from, other than the command line. Errors say so: the user may not think of it. */
export function withOrigin(bootstrap: readonly string[], origin: string): readonly string[] {
  origins.set(bootstrap, origin);
  return bootstrap;
}

/** The addresses as an error shows them; `only`: those of them that it is about. */
export function bootstrapText(bootstrap: readonly string[], only: readonly string[] = bootstrap): string {
  const origin = origins.get(bootstrap);
  return `${only.join(", ")}${origin === undefined ? "" : ` (${origin})`}`;
}
