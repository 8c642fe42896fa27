import { partitionKey } from "../../../protocol/base/ids.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import { isTopicId, readTopicId } from "../partition-metadata.ts";
import type { DirectoryLogStore } from "./log-store.ts";

/**
 * Logs of one name in two directories that are two topics'. Race: (1) a directory fails; (2) the topic in it is deleted, and one of the
 * same name is made, whose log goes to another directory;
 * (3) the directory is back. One at most is the present topic's, and before the coordinator is heard nobody knows which: one is set aside.
 * If it was the wrong one, the other is set aside in its turn once the topic's id is known, and this one is taken up again as it was.
 *
 * With a directory missing nothing can be taken up, so nothing is set aside. Two of the same id, or without one, stay as well: no id says
 * which is to be used.
 */
export async function settleNamesakes(stores: readonly DirectoryLogStore[], logger: Logger): Promise<void> {
  const places = new Map<string, DirectoryLogStore>();
  for (const store of stores) {
    for (const { topic, partition } of store.found) {
      const key = partitionKey(topic, partition);
      const other = places.get(key);
      places.set(key, store);
      if (other === undefined || !(await areOfTwoTopics(key, other, store))) continue;
      logger.warn(
        { partition: key, directories: [other.directory, store.directory] },
        "the logs of two topics of one name: a directory was away while its topic was deleted and made anew. One is set aside until it is known which is the present one's",
      );
      const highWatermark = other.highWatermarks.get(key) ?? 0;
      await other.setAside(topic, partition, { topicId: null, highWatermark });
    }
  }
}

async function areOfTwoTopics(key: string, one: DirectoryLogStore, other: DirectoryLogStore): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((store) => store.guarded(() => readTopicId(store.files, `${store.directory}/${key}`))));
  return a != null && b != null && !isTopicId(a, b);
}
