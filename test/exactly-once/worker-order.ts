export interface WorkerOrder {
  readonly bootstrap: readonly string[];
  readonly group: string;
  readonly from: string;
  readonly to: string;
  readonly transactionalId: string;
  /** Of the transactions, those that are aborted at their end. */
  readonly abortedPart: number;
  /** Of the draws of those. */
  readonly seed: number;
}

export function outputOf(input: string): string {
  return `${input} was seen`;
}
