import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";

const [brokers = "127.0.0.1:9092", orders = "orders", invoices = "invoices", group = "billing"] = process.argv.slice(2);
const client = { clientId: "shop", bootstrapBrokers: brokers.split(",") };
const orderCount = 200;

const admin = new Admin(client);
const existing = await admin.listTopics();
const missing = [orders, invoices].filter((topic) => !existing.includes(topic));
const shape = { partitions: 6, replicas: 3, configs: [{ name: "retention.ms", value: "3600000" }] };
if (missing.length > 0) await admin.createTopics({ topics: missing, ...shape });
await admin.close();

const producer = new Producer({ ...client, serializers: stringSerializers });
await producer.send({
  acks: -1,
  messages: Array.from({ length: orderCount }, (_, number) => ({
    topic: orders,
    key: `customer-${number % 20}`,
    value: JSON.stringify({ number, amount: 10 * number }),
    headers: { source: "web" },
  })),
});

const consumer = new Consumer({ ...client, groupId: group, deserializers: stringDeserializers });
const from = { mode: "committed", fallbackMode: "earliest" } as const;
const stream = await consumer.consume({ topics: [orders], autocommit: false, ...from, maxWaitTime: 500 });
const billed = new Set<number>();
process.once("SIGTERM", () => void stream.close());
for await (const message of stream) {
  const { number, amount } = JSON.parse(message.value);
  const value = JSON.stringify({ number, total: amount * 1.2 });
  await producer.send({ acks: -1, messages: [{ topic: invoices, key: message.key, value, headers: message.headers }] });
  await message.commit();
  console.log(`order ${number} of ${message.key} was at ${message.partition}:${message.offset}`);
  if (billed.add(number).size === orderCount) break;
}
await consumer.close(true);
await producer.close();
