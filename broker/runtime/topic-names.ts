const internalTopics: ReadonlySet<string> = new Set(["__consumer_offsets", "__transaction_state"]);

/** True for the topics that brokers keep their own state in. */
export function isInternalTopic(name: string): boolean {
  return internalTopics.has(name);
}
