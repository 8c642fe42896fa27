/** What a record about one committed position takes at most, beyond the names in its key and what was committed with it. */
const fixedBytes = 128;

/** What records about positions of one group take in the log: at least what they do, and no more than a few fields above it. */
export class PositionBytes {
  readonly #groupBytes: number;
  readonly #byTopic = new Map<string, number>();

  constructor(groupId: string) {
    this.#groupBytes = Buffer.byteLength(groupId);
  }

  of(topic: string, metadata: string | null = null): number {
    let named = this.#byTopic.get(topic);
    if (named === undefined) {
      named = fixedBytes + this.#groupBytes + Buffer.byteLength(topic);
      this.#byTopic.set(topic, named);
    }
    return named + (metadata === null ? 0 : Buffer.byteLength(metadata));
  }
}
