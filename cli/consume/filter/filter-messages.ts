/** What goes to the worker that evaluates a filter, and what comes back. */
export interface FilterStart {
  readonly expression: string;
  /** How long the expression may take for one record. */
  readonly timeLimitMs: number;
  /** The worker counts in it, an Int32, how many records it has begun with: so that it can be seen to hang. */
  readonly begun: SharedArrayBuffer;
}

/** Records as a JSON list, and how many. */
export interface FilterRequest {
  readonly records: string;
  readonly count: number;
}

export type FilterReply =
  /** The expression can be evaluated. */
  | { readonly kind: "ready" }
  /** It is no expression of the language. */
  | { readonly kind: "refused"; readonly reason: string }
  /** For each record whether it is let through; `errors`: the first one that each expression threw, by record. */
  | { readonly kind: "judged"; readonly passes: readonly boolean[]; readonly errors: readonly FilterError[] }
  /** It took too long, or too much memory, for this record. */
  | { readonly kind: "overran"; readonly index: number; readonly reason: string };

export interface FilterError {
  readonly index: number;
  readonly message: string;
}
