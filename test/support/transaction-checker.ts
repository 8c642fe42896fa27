/**
 * What must be true of transactions, whoever runs them: written from KIP-98's promises, in terms of what clients did and were told, and
 * of what readers of committed transactions (`read_committed`) were handed. Shares nothing with the product.
 */

/** Committed and aborted are what the client was told; unknown: it was told neither, or ended before it heard. */
export type Outcome = "open" | "committed" | "aborted" | "unknown";

export interface RanTransaction {
  readonly transactionalId: string;
  /** Lives of one transactional id: a later one has fenced those before it. */
  readonly life: number;
  /** Counts within the life. */
  readonly number: number;
  /** Every value is sent once, by one transaction. In the order of sending. */
  readonly sent: SentRecord[];
  outcome: Outcome;
}

export interface SentRecord {
  readonly partition: string;
  readonly value: string;
}

export interface ReadRecord {
  readonly offset: number;
  readonly value: string;
}

export class TransactionHistory {
  readonly transactions: RanTransaction[] = [];
  readonly #numbers = new Map<string, number>();

  begin(transactionalId: string, life: number): RanTransaction {
    const key = `${life} ${transactionalId}`;
    const number = this.#numbers.get(key) ?? 0;
    this.#numbers.set(key, number + 1);
    const transaction: RanTransaction = { transactionalId, life, number, sent: [], outcome: "open" };
    this.transactions.push(transaction);
    return transaction;
  }

  /**
   * `reads`: by partition, what a reader of committed transactions was handed from the beginning to the end, after everything was decided.
   * Values of `others` were sent outside of transactions. What is wrong, in sentences; none: nothing is.
   */
  check(reads: ReadonlyMap<string, readonly ReadRecord[]>, others: ReadonlySet<string> = new Set()): string[] {
    const byValue = new Map<string, { readonly transaction: RanTransaction; readonly at: number }>();
    for (const transaction of this.transactions)
      for (const [at, { value }] of transaction.sent.entries()) byValue.set(value, { transaction, at });
    const wrong: string[] = [];
    const visible = new Map<RanTransaction, Set<string>>();
    for (const [partition, records] of reads) {
      const seen = new Map<string, number>();
      const newest = new Map<string, { readonly place: Place; readonly value: string }>();
      for (const { offset, value } of records) {
        const before = seen.get(value);
        if (before !== undefined) wrong.push(`${partition}: ${value} is there twice, at ${before} and ${offset}`);
        seen.set(value, offset);
        const found = byValue.get(value);
        if (found === undefined) {
          if (!others.has(value)) wrong.push(`${partition}@${offset}: ${value} was never sent`);
          continue;
        }
        const { transaction, at } = found;
        if (transaction.sent[at]!.partition !== partition)
          wrong.push(`${partition}@${offset}: ${value} was sent to ${transaction.sent[at]!.partition}`);
        visible.set(transaction, (visible.get(transaction) ?? new Set()).add(value));
        const place: Place = [transaction.life, transaction.number, at];
        const last = newest.get(transaction.transactionalId);
        if (last !== undefined && isBefore(place, last.place))
          wrong.push(`${partition}@${offset}: ${value} of ${nameOf(transaction)} comes after ${last.value}, which was sent later`);
        else newest.set(transaction.transactionalId, { place, value });
      }
    }
    for (const transaction of this.transactions) wrong.push(...wrongWith(transaction, visible.get(transaction) ?? new Set()));
    return wrong;
  }
}

/** Life, number of the transaction, number of the record in it. */
type Place = readonly [number, number, number];

function isBefore(a: Place, b: Place): boolean {
  for (const [i, value] of a.entries()) if (value !== b[i]) return value < b[i]!;
  return false;
}

function nameOf({ transactionalId, life, number }: RanTransaction): string {
  return `transaction ${number} of ${transactionalId}, life ${life}`;
}

function wrongWith(transaction: RanTransaction, visible: ReadonlySet<string>): string[] {
  const missing = transaction.sent.filter(({ value }) => !visible.has(value));
  const some = [...visible][0];
  switch (transaction.outcome) {
    case "committed":
      return missing.slice(0, 1).map(({ value }) => `${nameOf(transaction)} was committed, and ${value} is not there`);
    case "aborted":
      return some === undefined ? [] : [`${nameOf(transaction)} was aborted, and ${some} is there`];
    case "unknown":
      return some === undefined || missing.length === 0
        ? []
        : [`${nameOf(transaction)} is torn: ${some} is there, ${missing[0]!.value} is not`];
    case "open":
      return some === undefined ? [] : [`${nameOf(transaction)} was never ended, and ${some} is there`];
  }
}

/**
 * Consume, process, produce, exactly once: each input has become its output once, for all inputs below what the group has committed, and
 * for no others.
 */
export function checkProcessed(
  inputs: readonly ReadRecord[],
  committedOffset: number,
  outputs: readonly string[],
  outputOf: (input: string) => string,
): string[] {
  const wrong: string[] = [];
  const counts = new Map<string, number>();
  for (const output of outputs) counts.set(output, (counts.get(output) ?? 0) + 1);
  for (const { offset, value } of inputs) {
    const wanted = offset < committedOffset ? 1 : 0;
    const output = outputOf(value);
    const found = counts.get(output) ?? 0;
    counts.delete(output);
    if (found !== wanted)
      wrong.push(`input ${value} at ${offset}, ${offset < committedOffset ? "" : "not "}committed, has ${found} outputs`);
  }
  for (const output of counts.keys()) wrong.push(`output ${output} is of no input`);
  return wrong;
}
