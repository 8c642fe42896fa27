import type { Client } from "node-zookeeper-client";
import { hasCommand, runToSuccess } from "../../support/outside/run-command.ts";
import type { StateView } from "../checks/evidence.ts";
import { openZookeeperSession } from "../stage/zookeeper-session.ts";

type Partitions = Map<string, { leader: number; isr: number[] }>;

const connectMaxMs = 10_000;
const askAttempts = 20;

/** The partitions' states as they stand in ZooKeeper's tree, read with a client that brokers do not have in common with us. */
export async function coordinatorView(connectionString: string, root: string): Promise<StateView> {
  const client = await openZookeeperSession(connectionString, connectMaxMs);
  if (client === null) throw new Error("no connection to ZooKeeper");
  try {
    const partitions: Partitions = new Map();
    for (const topic of await children(client, `${root}/brokers/topics`)) {
      const folder = `${root}/brokers/topics/${topic}/partitions`;
      for (const partition of await children(client, folder).catch(() => [])) {
        const { leader, isr } = JSON.parse(await contents(client, `${folder}/${partition}/state`)) as { leader: number; isr: number[] };
        partitions.set(`${topic}-${partition}`, { leader, isr });
      }
    }
    return { source: "ZooKeeper", partitions };
  } finally {
    client.close();
  }
}

function children(client: Client, path: string): Promise<string[]> {
  return new Promise((resolve, reject) =>
    client.getChildren(path, (error: unknown, names: string[]) => (error ? reject(error) : resolve(names))),
  );
}

function contents(client: Client, path: string): Promise<string> {
  return new Promise((resolve, reject) =>
    client.getData(path, (error: unknown, data: Buffer) => (error ? reject(error) : resolve(data.toString()))),
  );
}

interface KcatMetadata {
  readonly originating_broker: { readonly id: number };
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly leader: number;
      readonly isrs: readonly { readonly id: number }[];
    }[];
  }[];
}

/** What one broker tells clients, by kcat; null where there is none, or it did not get to ask this broker. */
export async function brokerView(id: number, address: string): Promise<StateView | null> {
  if (!hasCommand("kcat")) return null;
  for (let attempt = 1; attempt <= askAttempts; attempt++) {
    const { stdout } = await runToSuccess("kcat", ["-F", "/dev/null", "-b", address, "-L", "-J"]);
    const { originating_broker: origin, topics } = JSON.parse(stdout.toString()) as KcatMetadata;
    if (origin.id !== id) continue;
    const states = topics.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, leader, isrs }) => [`${topic}-${partition}`, { leader, isr: isrs.map((each) => each.id) }] as const),
    );
    return { source: `broker ${id}`, partitions: new Map(states) };
  }
  return null;
}
