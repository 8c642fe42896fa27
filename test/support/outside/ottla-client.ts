import { Consumer, Producer } from "../../../client/index.ts";
import { compressionCodecs } from "../../../protocol/records/batch-header.ts";
import type { OutsideClient, PlacedRecord, ProduceOrder } from "./outside-client.ts";

/** Our own library behind the same interface, to be compared with the others. */
export class OttlaClient implements OutsideClient {
  readonly name = "ottla";
  readonly codecs = compressionCodecs;
  readonly #bootstrap: readonly string[];

  constructor(bootstrap: readonly string[]) {
    this.#bootstrap = bootstrap;
  }

  async produce({ topic, codec, records }: ProduceOrder): Promise<void> {
    await using producer = new Producer({ bootstrap: this.#bootstrap, compression: codec, lingerMs: 5 });
    await Promise.all(records.map(({ headers, ...record }) => producer.send({ topic, ...record, headers: Object.fromEntries(headers) })));
  }

  async consume(topic: string): Promise<readonly PlacedRecord[]> {
    await using consumer = new Consumer({ bootstrap: this.#bootstrap, stopAtEnd: true });
    await consumer.assign([{ topic, from: "beginning" }]);
    const found: PlacedRecord[] = [];
    for await (const { partition, offset, timestampMs, key, value, headers } of consumer)
      found.push({ partition, offset, timestampMs, key, value, headers: headers.map((header) => [header.key, header.value] as const) });
    return found;
  }
}
