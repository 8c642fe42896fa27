import { Kafka, logLevel } from "kafkajs";

const [brokers = "127.0.0.1:9092", orders = "orders", invoices = "invoices", group = "billing"] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "shop", brokers: brokers.split(","), logLevel: logLevel.ERROR });
const orderCount = 200;

const admin = kafka.admin();
await admin.connect();
const shape = { numPartitions: 6, replicationFactor: 3, configEntries: [{ name: "retention.ms", value: "3600000" }] };
await admin.createTopics({ topics: [orders, invoices].map((topic) => ({ topic, ...shape })) });
await admin.disconnect();

const producer = kafka.producer();
await producer.connect();
await producer.send({
  topic: orders,
  messages: Array.from({ length: orderCount }, (_, number) => ({
    key: `customer-${number % 20}`,
    value: JSON.stringify({ number, amount: 10 * number }),
    headers: { source: "web" },
  })),
});

const consumer = kafka.consumer({ groupId: group, retry: { retries: 3 } });
await consumer.connect();
await consumer.subscribe({ topics: [orders], fromBeginning: true });
const billed = new Set<number>();
const allBilled = Promise.withResolvers<void>();
process.once("SIGTERM", allBilled.resolve);
await consumer.run({
  partitionsConsumedConcurrently: 3,
  eachMessage: async ({ partition, message }) => {
    const { number, amount } = JSON.parse(String(message.value));
    const value = JSON.stringify({ number, total: amount * 1.2 });
    await producer.send({ topic: invoices, messages: [{ key: message.key, value, headers: message.headers ?? {} }] });
    console.log(`order ${number} of ${message.key} was at ${partition}:${message.offset}`);
    if (billed.add(number).size === orderCount) allBilled.resolve();
  },
});
await allBilled.promise;
await consumer.disconnect();
await producer.disconnect();
