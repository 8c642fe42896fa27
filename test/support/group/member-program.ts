// A member of a group as a process of its own, to be killed: prints what happens to it as lines of JSON. See member-process.ts.
import { Consumer, type GroupOptions, stringSerde, type TopicPartition } from "../../../client/index.ts";
import type { MemberEvent, MemberOrder } from "./member-process.ts";

const { bootstrap, topic, handlingMs, options } = JSON.parse(process.argv[2] ?? "") as MemberOrder;

function tell(event: MemberEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function telling(kind: "assigned" | "revoked" | "lost") {
  return (partitions: readonly TopicPartition[]) =>
    tell({ kind, partitions: partitions.map(({ partition }) => partition), atMs: Date.now() });
}

const callbacks: GroupOptions = { onAssigned: telling("assigned"), onRevoked: telling("revoked"), onLost: telling("lost") };
const consumer = new Consumer({ bootstrap, valueSerde: stringSerde, offsetReset: "earliest", ...options, ...callbacks });
process.once("SIGTERM", () => void consumer.close());
await consumer.subscribe([topic]);
for await (const { partition, offset, value } of consumer) {
  tell({ kind: "record", partition, offset, value: value ?? "", atMs: Date.now() });
  if (handlingMs > 0) await new Promise((resolve) => setTimeout(resolve, handlingMs));
}
