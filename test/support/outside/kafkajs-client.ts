import "./kafkajs-patience.ts";
import { CompressionTypes, Kafka, logLevel, Partitioners } from "kafkajs";
import type { OutsideClient, ProduceOrder } from "./outside-client.ts";

/** kafkajs against one cluster; it logs nothing on its own, the tests check its answers. */
export function kafkajsFor(bootstrap: readonly string[], clientId = "kafkajs"): Kafka {
  return new Kafka({ clientId, brokers: [...bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 2 } });
}

/** Without a group kafkajs cannot read. */
export class KafkajsClient implements OutsideClient {
  readonly name = "kafkajs";
  readonly codecs = ["none", "gzip"] as const;
  readonly cannotSend = { nullHeaders: true };
  readonly consume = null;
  readonly #kafka: Kafka;

  constructor(bootstrap: readonly string[]) {
    this.#kafka = kafkajsFor(bootstrap);
  }

  async produce({ topic, codec, records }: ProduceOrder): Promise<void> {
    const producer = this.#kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.send({
      topic,
      acks: -1,
      compression: codec === "gzip" ? CompressionTypes.GZIP : CompressionTypes.None,
      messages: records.map(({ key, value, headers, timestampMs }) => ({
        key,
        value,
        headers: Object.fromEntries(headers.map(([name, header]) => [name, header ?? undefined])),
        timestamp: String(timestampMs),
      })),
    });
    await producer.disconnect();
  }
}
