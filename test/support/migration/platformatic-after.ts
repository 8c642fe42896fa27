import { Admin, Consumer, murmur2, type PartitionerInput, Producer, stringSerde } from "../../../client/index.ts";

const [bootstrap = "127.0.0.1:9092", orders = "orders", invoices = "invoices", group = "billing"] = process.argv.slice(2);
const client = { clientId: "shop", bootstrap };
const orderCount = 200;

await using admin = new Admin(client);
const shape = { partitions: 6, replicationFactor: 3, configs: { "retention.ms": "3600000" } };
for (const name of [orders, invoices]) await admin.createTopicIfMissing({ name, ...shape });

// every key stays in the partition that it has had
const partitioner = ({ key, partitionsCount }: PartitionerInput) => (key === null ? 0 : (murmur2(key) >>> 0) % partitionsCount);
await using producer = new Producer({ ...client, partitioner });
await producer.sendMany(
  Array.from({ length: orderCount }, (_, number) => ({
    topic: orders,
    key: `customer-${number % 20}`,
    value: JSON.stringify({ number, amount: 10 * number }),
    headers: { source: "web" },
  })),
);

await using consumer = new Consumer({ ...client, group, offsetReset: "earliest", keySerde: stringSerde, valueSerde: stringSerde });
await consumer.subscribe([orders]);
const billed = new Set<number>();
const allBilled = new AbortController();
process.once("SIGTERM", () => allBilled.abort());
await consumer.run({ signal: allBilled.signal }, async ({ partition, offset, key, value, headers }) => {
  const { number, amount } = JSON.parse(value ?? "");
  await producer.send({ topic: invoices, key, value: JSON.stringify({ number, total: amount * 1.2 }), headers });
  console.log(`order ${number} of ${key} was at ${partition}:${offset}`);
  if (billed.add(number).size === orderCount) allBilled.abort();
});
