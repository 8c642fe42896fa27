import { type Client, createClient } from "node-zookeeper-client";

/** A session with the servers, `host:port,…`, to be closed; null: they open none within that time. */
export async function openZookeeperSession(connectionString: string, withinMs: number): Promise<Client | null> {
  const client = createClient(connectionString, { sessionTimeout: withinMs });
  const isOpen = await new Promise<boolean>((resolve) => {
    const late = setTimeout(() => resolve(false), withinMs);
    client.once("connected", () => {
      clearTimeout(late);
      resolve(true);
    });
    client.connect();
  });
  if (isOpen) return client;
  client.close();
  return null;
}
