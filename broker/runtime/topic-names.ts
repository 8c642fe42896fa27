const internalTopics: ReadonlySet<string> = new Set(["__consumer_offsets", "__transaction_state"]);

/** True for the topics in which brokers keep their own state. */
export function isInternalTopic(name: string): boolean {
  return internalTopics.has(name);
}

const topicNameLengthMax = 249;

/** Why a topic cannot have this name, or null. Names are folder names, too. */
export function topicNameFault(name: string): string | null {
  if (name === "") return "The topic's name is empty.";
  if (name === "." || name === "..") return `A topic cannot be called "${name}".`;
  if (name.length > topicNameLengthMax) return `The topic's name has ${name.length} characters; at most ${topicNameLengthMax} are allowed.`;
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    return `The topic name ${JSON.stringify(name)} may only hold ASCII letters, digits, ".", "_" and "-".`;
  return null;
}

/** Metric names do not distinguish `.` and `_`: topics that differ in nothing else are refused, as in Kafka. */
export function collidingTopic(name: string, existing: Iterable<string>): string | null {
  const folded = (text: string) => text.replaceAll(".", "_");
  for (const other of existing) if (other !== name && folded(other) === folded(name)) return other;
  return null;
}
