import type { Coordinator, Node } from "./coordinator.ts";

/** Well below the session's bound on unanswered requests, and enough to fill the link. */
const readsAtOnceMax = 128;

/**
 * Reads all the paths, a bounded number at once; results in the order of the paths, null for a missing znode. Rejects with
 * CoordinatorUnavailable as soon as one read does.
 */
export async function readMany(
  coordinator: Pick<Coordinator, "read">,
  paths: readonly string[],
  atOnceMax = readsAtOnceMax,
): Promise<(Node | null)[]> {
  const nodes: (Node | null)[] = new Array(paths.length).fill(null);
  const remaining = paths.entries();
  let hasFailed = false;
  const worker = async () => {
    // One iterator for all workers: each takes the next path that no worker has taken.
    for (const [index, path] of remaining) {
      if (hasFailed) return;
      nodes[index] = await coordinator.read(path);
    }
  };
  const workers = Array.from({ length: Math.min(atOnceMax, paths.length) }, () =>
    worker().catch((error) => {
      hasFailed = true;
      throw error;
    }),
  );
  await Promise.all(workers);
  return nodes;
}
