import { Producer } from "@platformatic/kafka";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import type { OutsideClient, ProduceOrder } from "./outside-client.ts";

/** Without a group it cannot read. */
export class PlatformaticClient implements OutsideClient {
  readonly name = "platformatic";
  readonly codecs = compressionCodecs;
  readonly cannotSend = { nullHeaders: true };
  readonly consume = null;
  readonly #bootstrap: readonly string[];

  constructor(bootstrap: readonly string[]) {
    this.#bootstrap = bootstrap;
  }

  async produce({ topic, codec, records }: ProduceOrder): Promise<void> {
    const producer = new Producer({ clientId: "platformatic", bootstrapBrokers: [...this.#bootstrap], retries: 2 });
    await producer.send({
      acks: -1,
      compression: codec,
      messages: records.map(({ key, value, headers, timestampMs }) => ({
        topic,
        ...(key === null ? {} : { key }),
        // its types leave null out, its encoder writes it
        value: value as Buffer,
        headers: new Map(headers.map(([name, header]) => [Buffer.from(name), header as Buffer])),
        timestamp: BigInt(timestampMs),
      })),
    });
    await producer.close();
  }
}
