import { Admin } from "../../../client/index.ts";
import type { System } from "./system.ts";

/** Brokers that run already, perhaps on other machines: `--cluster`. They are neither metered nor stopped, and topics are deleted again. */
export function outsideCluster(bootstrap: readonly string[]): System {
  const cannot = () => Promise.reject(new Error("brokers of a cluster that runs already are left alone"));
  return {
    name: "cluster",
    title: `the brokers at ${bootstrap.join(",")}`,
    speaks: "kafka",
    missing: async () => {
      await using admin = new Admin({ bootstrap });
      return admin.describeCluster().then(
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
        discard: () => Promise.resolve(),
      }),
  };
}
