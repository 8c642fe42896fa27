import type { Admin } from "../../client/index.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { table } from "../output/table.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import type { Shown } from "../topic/topic-commands.ts";
import type { TopicSelection } from "./reset-target.ts";

/** Forgets a group's positions in topics, or some of their partitions, whether these still exist or not. */
export async function deleteOffsets(
  admin: Admin,
  group: string,
  selections: readonly TopicSelection[],
  { output, json }: Shown,
): Promise<void> {
  // groups are asked for their positions, and deleted, whether they are there or not: nobody else says that this one is not
  const [described] = await admin.describeGroups([group]);
  if (described !== undefined && described.error !== null) throw described.error;
  const positions = (await admin.listGroupOffsets(group)).filter(({ offset }) => offset >= 0);
  const chosen = selections.flatMap(({ topic, partitions }) => {
    const inTopic = positions.filter((each) => each.topic === topic);
    const missing = partitions?.find((partition) => !inTopic.some((each) => each.partition === partition));
    if (inTopic.length === 0 || missing !== undefined)
      throw new CommandFailed(
        `group ${group} has no position in ${missing === undefined ? topic : `${topic}-${missing}`}; see \`ottla group describe ${group}\``,
      );
    return inTopic.filter(({ partition }) => partitions?.includes(partition) ?? true);
  });
  const wanted = [...new Set(chosen)];
  const results = await admin.deleteGroupOffsets(
    group,
    wanted.map(({ topic, partition }) => ({ topic, partition })),
  );
  const deleted = wanted.filter((_, index) => results[index]?.error === null);
  if (json) await output.json({ group, deleted: deleted.map(({ topic, partition, offset }) => ({ topic, partition, position: offset })) });
  else if (deleted.length > 0) {
    const rows = deleted.map(({ topic, partition, offset }) => [topic, partition, String(offset)]);
    await output.write(table(["topic", "partition", "deleted"], rows, output.look));
  }
  failForErrors(results);
}
