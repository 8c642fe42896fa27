/** Kafka's limit: the name must fit into a folder name with "-<partition>" and ".<id>-delete" behind it. */
const topicNameMaxLength = 249;

/** Why no topic can have this name, or null. */
export function topicNameProblem(name: string): string | null {
  if (name === "") return "the name is empty";
  if (name === "." || name === "..") return `the name may not be "${name}"`;
  if (name.length > topicNameMaxLength) return `the name has ${name.length} characters, at most ${topicNameMaxLength} are allowed`;
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) return "the name may hold only ASCII letters and digits, '.', '_' and '-'";
  return null;
}

const internalTopics: ReadonlySet<string> = new Set(["__consumer_offsets", "__transaction_state"]);

/** True for the topics that brokers keep their own state in. */
export function isInternalTopic(name: string): boolean {
  return internalTopics.has(name);
}
