import type { Admin } from "../../client/index.ts";
import { complain } from "../output/complaints.ts";
import { copiesIn } from "./topic-health.ts";

const setting = "min.insync.replicas";

/** What to think of when more copies are to be in sync than there are; null: nothing. */
export function insyncWarning(topic: string, required: number, copies: number): string | null {
  if (copies === 0 || !(required > copies)) return null;
  if (copies === 1)
    return `${setting} is ${required}, but ${topic} has 1 copy: it counts as 1, and what is acknowledged is on one broker only`;
  return `${setting} is ${required}, but ${topic} has ${copies} copies: it counts as ${copies}, and producers with acks=all wait whenever one is missing`;
}

export interface AskedFor {
  readonly topic: string;
  /** Settings that were given for this topic. */
  readonly set: Readonly<Record<string, string>>;
  /** Null: as many as the topic has. */
  readonly copies: number | null;
}

/**
 * Warns on standard error when what was just done leaves a topic with fewer copies than `min.insync.replicas`. Where the brokers' own value
 * applies and the topic was to have one copy, there is nothing to warn of. It was done in any case: where no answer comes, nothing is said.
 */
export async function warnOfInsyncReplicas(
  admin: Pick<Admin, "describeConfigs" | "describeTopics">,
  { topic, set, copies }: AskedFor,
): Promise<void> {
  const given = set[setting];
  if (given === undefined && copies === 1) return;
  const there = copies ?? (await copiesOf(admin, topic));
  const warning = insyncWarning(topic, Number(given ?? (await valueInForce(admin, topic))), there);
  if (warning !== null) complain(warning);
}

async function copiesOf(admin: Pick<Admin, "describeTopics">, topic: string): Promise<number> {
  const [described] = await admin.describeTopics([topic]).catch(() => []);
  return described?.error === null ? copiesIn(described) : 0;
}

async function valueInForce(admin: Pick<Admin, "describeConfigs">, topic: string): Promise<string> {
  const [described] = await admin.describeConfigs([{ topic }], { names: [setting] }).catch(() => []);
  const entry = described?.error === null ? described.configs.find(({ name }) => name === setting) : undefined;
  return entry?.value ?? "0";
}
