import type { Admin, ItemResult, TopicPartition } from "../../client/index.ts";
import { UsageError } from "../output/command-failed.ts";
import { table } from "../output/table.ts";
import { formatCount } from "../output/units.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import type { Shown } from "./topic-commands.ts";

export const electionTypes = ["preferred", "unclean"] as const;

export interface Election {
  readonly type: (typeof electionTypes)[number];
  /** None: all. */
  readonly topics: readonly string[];
  /** Of the one topic that is named; none: all. */
  readonly partitions: readonly number[];
}

/** Where nothing had to change is no failure: what was asked for is so. */
export async function electLeaders(admin: Admin, election: Election, { output, json }: Shown): Promise<void> {
  const results = await admin.electLeaders(election.type, await partitionsOf(admin, election));
  const elected = results.filter(({ error }) => error === null).map(({ topic = "", partition = 0 }) => ({ topic, partition }));
  const failed = results.filter(({ error }) => error !== null && error.code !== "ELECTION_NOT_NEEDED");
  if (json) await output.json({ type: election.type, elected });
  else if (elected.length > 0) {
    const rows = elected.map(({ topic, partition }) => [topic, partition]);
    await output.write(table(["topic", "partition"], rows, output.look));
    await output.line(`elected ${formatCount(elected.length, "leader")}`);
  } else if (failed.length === 0) await output.line(nothingToDo[election.type]);
  failForErrors(failed as readonly ItemResult<TopicPartition>[]);
}

const nothingToDo = {
  preferred: "the preferred leaders lead already",
  unclean: "every partition has a leader",
} as const;

/** Null: all of the cluster. */
async function partitionsOf(admin: Admin, { topics, partitions }: Election): Promise<readonly TopicPartition[] | null> {
  if (topics.length === 0) return null;
  const described = await admin.describeTopics(topics);
  failForErrors(described);
  return described.flatMap(({ name = "", partitions: present = [] }) => {
    const missing = partitions.find((partition) => partition >= present.length);
    if (missing !== undefined) throw new UsageError(`${name} has ${formatCount(present.length, "partition")}, none is ${missing}`);
    const numbers = partitions.length > 0 ? [...new Set(partitions)] : present.map(({ partition }) => partition);
    return numbers.map((partition) => ({ topic: name, partition }));
  });
}
