import { Admin } from "../../../client/index.ts";
import { type System, topicPrefix } from "./system.ts";

/**
 * Brokers that run already, perhaps on other machines: `--cluster`. They are neither metered nor stopped, and our topics are deleted again.
 */
export function outsideCluster(bootstrap: readonly string[]): System {
  const cannot = () => Promise.reject(new Error("brokers of a cluster that runs already are left alone"));
  return {
    name: "cluster",
    title: `the brokers at ${bootstrap.join(",")}`,
    speaks: "kafka",
    missing: async () => {
      await using admin = new Admin({ bootstrap });
      return await admin.describeCluster().then(
        () => null,
        (error: Error) => `does not answer: ${error.message}`,
      );
    },
    start: () =>
      Promise.resolve({
        speaks: "kafka",
        bootstrap,
        processes: [],
        dataDirectories: [],
        killBroker: cannot,
        restartBroker: cannot,
        stop: () => Promise.resolve(),
        discard: () => deleteOurTopics(bootstrap),
      }),
  };
}

/** Those that are left when a run is stopped in the middle of a scenario. */
async function deleteOurTopics(bootstrap: readonly string[]): Promise<void> {
  await using admin = new Admin({ bootstrap });
  const ours = (await admin.listTopics()).map(({ name }) => name).filter((name) => name.startsWith(topicPrefix));
  if (ours.length > 0) await admin.deleteTopics(ours);
}
